"""The output directory of a prediction, none of whose files is trusted to be what its name says."""

import itertools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sparkdoctor.model import Missing
from sparkdoctor.query import Query
from sparkdoctor.reading import opened

SLACK = 2.0
"""Seconds by which times of files may be off."""
TEXT_LIMIT = 4 << 20
"""Bytes of a summary, a log or a JSON file that are read."""
NAMES_LIMIT = 20_000
"""Names in a directory, seeds and samples that are looked at."""
LONGEST = 1e9
"""Seconds: what took longer is no time."""
COPIED = 10
"""A copy takes less than one part in so many of the time that inference took."""
_OURS = ("summary.txt", "experiment_config.json", "inference_query_set.json")


class Tree:
    """What OpenFold3 left in a directory. `nothing` says why that is nothing; `fresh` that one run alone has written there."""

    def __init__(self, directory: str, *, fresh: bool) -> None:
        self.directory, self.fresh = directory, fresh
        self.nothing = self._nothing()
        config = self.json("experiment_config.json")
        settings = config.get("experiment_settings") if isinstance(config, dict) else None
        self.settings: Mapping[str, Any] = settings if isinstance(settings, dict) else {}

    def _nothing(self) -> str | None:
        """Why there is nothing to judge, or None."""
        try:
            with os.scandir(self.directory) as found:
                names = [entry.name for entry in itertools.islice(found, NAMES_LIMIT)]
        except (OSError, ValueError) as error:
            return f"the directory cannot be read: {why(error)}"
        if self.fresh:  # whoever ran it wants to hear that nothing came of it
            return None
        if not names:
            return "the directory is empty"
        known = any(name in _OURS or name.startswith("fallback_summary_rank_") for name in names)
        return None if known or self.predicted() else "the directory holds nothing of OpenFold3's"

    def predicted(self) -> list[str]:
        """The queries that something was written for."""
        return [name for name in self.names("", "") if self.names(name, "seed_")]

    def path(self, *parts: str) -> str:
        """Where a file of the directory is."""
        return os.path.join(self.directory, *parts)

    def names(self, folder: str, prefix: str) -> list[str]:
        """Names in a folder that begin like this, sorted."""
        try:
            with os.scandir(self.path(folder)) as found:
                return sorted(entry.name for entry in itertools.islice(found, NAMES_LIMIT) if entry.name.startswith(prefix))
        except (OSError, ValueError):
            return []

    def text(self, name: str) -> str | Missing:
        """A text file, as much of it as is read."""
        try:
            with opened(self.path(name)) as descriptor:
                content = b""
                while len(content) < TEXT_LIMIT and (chunk := os.read(descriptor, TEXT_LIMIT - len(content))):
                    content += chunk
        except (OSError, ValueError) as error:
            return Missing(why(error))
        return content.decode("utf-8", "replace")

    def json(self, name: str) -> Any:
        """What a JSON file holds (NaN and all), or Missing."""
        text = self.text(name)
        if isinstance(text, Missing):
            return text
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            return Missing(f"no JSON: {error}")

    def time(self, name: str) -> float | None:
        """When a file was last written."""
        try:
            return os.stat(self.path(name)).st_mtime
        except (OSError, ValueError):
            return None

    def stale(self, name: str) -> str | None:
        """Why a file is of an earlier run, or None. Times can be wrong, so a fresh directory needs none."""
        written, began = self.time(name), self.time("experiment_config.json")
        if self.fresh or written is None or began is None or written >= began - SLACK or not self.dated:
            return None
        return f"{name} is {began - written:.0f} s older than experiment_config.json, which each run writes when it begins"

    @cached_property
    def dated(self) -> bool:
        """Whether the files have the times of their writing: where they were copied without, all are of the same moment."""
        queries = self.predicted()[:NAMES_LIMIT]
        timings = [os.path.join(query, seed, "timing.json") for query in queries for seed in self.names(query, "seed_")]
        roots = [os.path.join("msas", name) for name in self.names("msas", "msa-root-")]
        logs = [os.path.join("logs", name) for name in self.names("logs", "predict_err")]
        said = (*_OURS, "model_config.json", *self.names("", "fallback_summary_rank_"))
        names = (*said, *logs, *roots, *timings[:NAMES_LIMIT])
        times = [time for name in names if (time := self.time(name)) is not None]
        return bool(times) and max(times) - min(times) >= self._seconds(timings[:NAMES_LIMIT]) / COPIED

    def seeds(self, queries: Sequence[Query]) -> list[str]:
        """The seeds of the run, as OpenFold3 says or else by its directories."""
        said = self.settings.get("seeds")
        if isinstance(said, list) and said and all(isinstance(seed, int) for seed in said):
            return list(dict.fromkeys(str(seed) for seed in said))[:NAMES_LIMIT]
        found = {name.removeprefix("seed_") for query in queries for name in self.names(query.name, "seed_")}
        return sorted(found) or ["42"]

    def samples(self) -> int | None:
        """The number of samples that the model was told to draw."""
        found = self.json("model_config.json")
        for key in ("architecture", "shared", "diffusion", "no_full_rollout_samples"):
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, int) and 0 < found <= NAMES_LIMIT else None

    def seconds(self, queries: Sequence[Query], seeds: Sequence[str]) -> float | None:
        """What the timings add up to."""
        found = self._seconds(os.path.join(query.name, f"seed_{seed}", "timing.json") for query in queries for seed in seeds)
        return found or None

    def _seconds(self, names: Iterable[str]) -> float:
        found = [one.get("runtime_s") for name in names if isinstance(one := self.json(name), dict)]
        return sum(float(one) for one in found if isinstance(one, int | float) and 0 <= one < LONGEST)


def why(error: Exception) -> str:
    """What an error says, without the path: that of another machine is of no use."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)

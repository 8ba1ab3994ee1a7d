"""A machine whose health a test decides: a profile of few demands, and a plugin with a check of a file and one of a variable."""

import subprocess
import sys
from pathlib import Path

COMMAND = (str(Path(sys.executable).with_name("sparkdoctor")), "preflight")
FEW = """schema = "sparkdoctor.profile/1"
name = "few"
[disk_gib]
failed = 0.000001
[severity]
driver-missing = "off"
nvcc-missing = "off"
python-headers-missing = "off"
"""
PLUGIN = '''
import time
from sparkdoctor.plugin import Fact, Machine, Missing, check, fail, ok, warn

class Door(Fact):
    state: str
    jobs: str | None

    @classmethod
    def probe(cls, machine: Machine):
        state = machine.read({place!r})
        return cls("closed" if isinstance(state, Missing) else state, machine.env("MAX_JOBS"))

@check(layer="doors")
def door_closed(door: Door):
    """The door is open."""
    with open({looks!r}, "a") as file:
        file.write("look\\n")
    if door.state == "stuck":
        time.sleep(60)
    if door.state == "ajar":
        return warn("the door is ajar", remedy="Push it.")
    if door.state == "jobs":
        return ok("jobs") if door.jobs else fail("nobody has set MAX_JOBS", remedy="Set it.")
    return ok("open") if door.state == "open" else fail("the door is closed", remedy="Open it.", command="touch it")
'''
Ended = subprocess.CompletedProcess[bytes]


class Doors:
    """Runs preflight on such a machine."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.profile = place / "few.toml"
        self.profile.write_text(FEW)
        self._state, self._looks = place / "state", place / "looks"
        metadata = place / "plugin" / "doors-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: doors\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[sparkdoctor.plugins]\ndoors = doors_plugin\n")
        (place / "plugin" / "doors_plugin.py").write_text(PLUGIN.format(place=str(self._state), looks=str(self._looks)))
        self.env = {
            "PATH": "/usr/bin:/bin",
            "HOME": "/usr",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(place / "plugin"),
            "SPARKDOCTOR_PROFILE": str(self.profile),
        }
        self.is_("open")

    def is_(self, state: str) -> None:
        """Let the door be open, ajar, closed, stuck, or open (jobs) to who has MAX_JOBS."""
        ready = self.place / "next"
        ready.write_text(state)
        ready.rename(self._state)

    @property
    def looks(self) -> int:
        """How often it was examined."""
        return len(self._looks.read_text().splitlines()) if self._looks.exists() else 0

    def run(self, *args: str | bytes, command: tuple[str, ...] = COMMAND, **env: str) -> Ended:
        ended = subprocess.run(
            [*command, *args], env=self.env | env, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False
        )
        assert b"Traceback" not in ended.stderr
        return ended

    def start(self, *args: str, command: tuple[str, ...] = COMMAND, **env: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*command, *args], env=self.env | env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )


def patched(statement: str) -> tuple[str, ...]:
    """The command after a Python statement, in which `preflight` is its module."""
    modules = "import sys, sparkdoctor.cli as cli, sparkdoctor.doctor as doctor, sparkdoctor.cli.preflight as preflight"
    code = f"{modules}\n{statement}\nsys.argv[0] = 'sparkdoctor'\ncli.main()"
    return (sys.executable, "-c", code, "preflight")

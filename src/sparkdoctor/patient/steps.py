"""Reports what is about to be tried and what came of it, for the scripts that do what may end badly.

One JSON line each, on the pipe whose descriptor is in $SPARKDOCTOR_SAY: what the patient's packages print, close or redirect
cannot touch it. A step is named before it begins, so that a crash or a hang still tells how far it came.
"""

import faulthandler
import os
import signal
import sys
import time
import traceback
import warnings

from wire import dumps

BEGAN = time.monotonic()
LENGTH = 3000
PIPE = int(os.environ.pop("SPARKDOCTOR_SAY"))
os.set_inheritable(PIPE, False)
SELF = os.getpid()
LAST_WORDS = 0.3
"""Seconds for a branch that is late to say where it stands."""
ATOMIC = 4096
"""Bytes that arrive in one piece, whoever else writes (PIPE_BUF)."""
BRANCH = ""
"""The name of the branch that this process is, see `branch`."""
branches = {}


class Failed(Exception):
    """A step ended with an error, which has been reported."""


def identity(number):
    """What a descriptor stands for; None where it is closed."""
    try:
        place = os.fstat(number)
    except OSError:
        return None
    return place.st_dev, place.st_ino


REPORT = identity(PIPE)


def say(line):
    if os.getpid() != SELF:
        os._exit(0)  # a package has forked, and both came back
    if BRANCH:
        line["in"] = BRANCH
    if identity(PIPE) != REPORT:  # what stands there now may be somebody's file
        os.write(2, b"the descriptor of this report was closed by what ran last\n")
        os._exit(1)
    data = (dumps(line) + "\n").encode()
    while len(data) > ATOMIC and line.get("text"):
        line["text"] = shortened(line["text"], len(line["text"]) // 2)
        data = (dumps(line) + "\n").encode()
    while data:
        data = data[os.write(PIPE, data) :]


def shortened(text, length):
    """The beginning and the end of a text."""
    half = max(1, length // 2)
    return text if len(text) <= length else text[:half] + "\n…\n" + text[-half:]


def learnt(**values):
    """Report what a step has shown."""
    say({"learnt": values})


class attempt:
    """A step. An error in it is reported; unless it is `vital` to what follows, the next step is tried all the same."""

    def __init__(self, name, vital=True):
        self.name, self.vital = name, vital

    def __enter__(self):
        say({"step": self.name, "at": round(time.monotonic() - BEGAN, 3)})

    def __exit__(self, kind, error, trace):
        if error is not None:
            shown = shortened(words(error), LENGTH)
            where = traceback.extract_tb(trace)[-1:]
            place = "%s:%s" % (where[0].filename, where[0].lineno) if where else ""
            say({"error": kind.__name__, "text": shown, "place": place})
            if self.vital or not isinstance(error, Exception):
                raise Failed from None
        return True


def words(error):
    """An error's own words: a package's exception may break when it is asked for them."""
    try:
        return str(error)
    except BaseException as worse:
        return "(its words could not be had: %s)" % type(worse).__name__


def outputs():
    """What standard output and error are: a package may close them or put something else there."""
    return [identity(1), identity(2)] + [getattr(stream, "closed", True) for stream in (sys.stdout, sys.stderr)]


def branch(name, work, apart=True, seconds=None):
    """Do `work` in a process of its own that has what was imported so far, side by side with what follows here.

    With `seconds`, nothing follows before it has ended, or was ended because it took longer. Where it cannot be done `apart`, do
    it here and now.
    """
    global BRANCH, SELF  # noqa: PLW0603 (who this process is)
    if not apart:
        BRANCH = name
        come_to_an_end(work)
        BRANCH = ""
        say({"ended": 0, "of": name})
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what was imported may have threads; Python 3.12 warns of that
        child = os.fork()
    if child and seconds is None:
        branches[child] = name
        return
    if child:
        say({"ended": await_end(child, seconds), "of": name})
        return
    BRANCH, SELF = name, os.getpid()
    branches.clear()
    come_to_an_end(work)
    os._exit(0)


def await_end(child, seconds):
    """How a child has ended; None where it had to be ended, having said where it stands."""
    for more, number in ((seconds, signal.SIGUSR1), (LAST_WORDS, signal.SIGKILL)):
        ends = time.monotonic() + more
        while time.monotonic() < ends:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status) if number == signal.SIGUSR1 else None
            time.sleep(0.01)
        os.kill(child, number)
    os.waitpid(child, 0)
    return None


def come_to_an_end(work, *arguments):
    try:
        work(*arguments)
    except Failed:
        pass
    if branches:
        faulthandler.unregister(signal.SIGUSR1)  # where a branch stands is of interest, not that we wait for it
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    for child, name in branches.items():
        say({"ended": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "of": name})
    say({"done": True, "at": round(time.monotonic() - BEGAN, 3)})


def settle():
    """Show where we stand at a crash or when asked, and be alone with the user's own programs."""
    # On the descriptor: a sitecustomize.py may have put anything in the place of sys.stderr.
    faulthandler.enable(2)
    faulthandler.register(signal.SIGUSR1, 2)
    # Neither the directory of these scripts nor what was imported from it is there for them.
    here = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [place for place in sys.path if os.path.realpath(place or ".") != here]
    for name, module in list(sys.modules.items()):
        if name != "__main__" and os.path.dirname(os.path.realpath(getattr(module, "__file__", None) or "")) == here:
            del sys.modules[name]


def main(work):
    """Run a script's steps, and no more: what packages do at exit is not what was asked for."""
    settle()
    come_to_an_end(work, *sys.argv[1:])
    os._exit(0)

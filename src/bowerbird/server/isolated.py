"""One call of a function in a process of its own: hostile pages and clips crash, hang or swell there, not here."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from bowerbird.errors import BowerbirdError, ReadError

P = ParamSpec("P")
T = TypeVar("T")
SECONDS = 30.0
MEMORY = 4 << 30


def isolated(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a module's function; arguments and result are pickled.

    Raises the function's own BowerbirdError, ReadError if it crashed, took longer than SECONDS or more than MEMORY.
    """
    request = pickle.dumps((function, args, kwargs))
    command = [sys.executable, "-m", "bowerbird.server.isolated"]
    try:
        done = subprocess.run(
            command, input=request, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ReadError(f"took longer than {SECONDS:g} s to read; send a shorter or simpler one") from None
    if done.returncode or not done.stdout:
        raise ReadError("cannot be read: it crashed its reader, or needs too much memory; it is probably damaged")
    result = pickle.loads(done.stdout)
    if isinstance(result, Exception):
        raise result
    value: T = result
    return value


def main() -> None:
    """Read a call from standard input, write its result or error to standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what libraries print is no answer
    _limit()
    function, args, kwargs = pickle.load(sys.stdin.buffer)
    result: object
    try:
        result = function(*args, **kwargs)
    except BowerbirdError as error:
        result = ReadError(str(error))
    except MemoryError:
        result = ReadError("needs more memory than there is; send a smaller one")
    except Exception as error:  # the boundary to parsers of hostile input
        result = ReadError(f"cannot be read ({type(error).__name__}); it is probably damaged")
    pickle.dump(result, answers)
    answers.flush()


def _limit() -> None:
    """No core dumps, bounded memory, an end even if the parent is gone."""
    if sys.platform == "win32":
        return
    import resource
    import signal

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.alarm(int(2 * SECONDS))


if __name__ == "__main__":
    main()

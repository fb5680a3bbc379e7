"""`make bench`: run every bench of this folder, one after the other, each with a time limit.

    python -m bench [NAME …]

A bench is a file here that runs as a program; it prints its own figures beside the limits and beside peers of the same
run. What is printed last says how long each took, and which failed: a limit that was missed is told, and fails nothing.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
LIMIT_SECONDS = 900  # of one bench: the longest takes seven minutes where nothing else runs


@dataclass(frozen=True)
class Done:
    name: str
    seconds: float
    cpu_seconds: float
    ending: str  # "ok", or what went wrong


def benches() -> list[str]:
    """Names of the files that run as programs."""
    own = Path(__file__).name
    programs = (path for path in FOLDER.glob("*.py") if path.name != own and "__main__" in path.read_text("utf-8"))
    return sorted(path.stem for path in programs)


def run(name: str) -> Done:
    """Run one bench in a process of its own, its output going straight to ours."""
    before, start = _children_cpu(), time.monotonic()
    command = [sys.executable, "-m", f"bench.{name}"]
    with subprocess.Popen(command, cwd=FOLDER.parent, process_group=0) as bench:
        try:
            code = bench.wait(LIMIT_SECONDS)
            ending = "ok" if code == 0 else f"exit code {code}"
        except subprocess.TimeoutExpired:
            ending = f"stopped after {LIMIT_SECONDS} s"
        finally:
            with suppress(ProcessLookupError):  # with all that it started: the next one is measured alone
                os.killpg(bench.pid, signal.SIGKILL)
    return Done(name, time.monotonic() - start, _children_cpu() - before, ending)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(names: Sequence[str]) -> int:
    """Returns 0 where every bench ran to its end, 2 for a name that there isn't, 1 otherwise."""
    known = benches()
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.stderr.write(f"no bench {', '.join(unknown)}; there are {', '.join(known)}\n")
        return 2
    done = []
    for name in names or known:
        sys.stdout.write(f"\n=== {name}\n")
        sys.stdout.flush()
        done.append(run(name))
    widest = max(len(one.name) for one in done)
    lines = [f"{one.name:<{widest}}  {one.seconds:6.1f} s  {one.cpu_seconds:6.1f} s CPU  {one.ending}" for one in done]
    sys.stdout.write("\n=== all\n" + "\n".join(lines) + "\n")
    return 0 if all(one.ending == "ok" for one in done) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

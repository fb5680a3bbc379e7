"""The commands: which there are, and how each of their endings becomes an exit code and words for a person.

Each command lies in a module of `watchfloor.commands` that is imported when it is asked for, so that `--version` costs
nothing else and `snapshot` never loads the terminal.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from cyclopts import App, CycloptsError, Parameter

from watchfloor import __version__
from watchfloor.commands.output import described, problem, show_error, write_nothing_more
from watchfloor.commands.terminal import terminal
from watchfloor.errors import (
    CannotPlan,
    ConfigError,
    NothingToDo,
    OutputError,
    QueryError,
    SessionError,
    StoreError,
    WatchfloorError,
)
from watchfloor.exits import Exit

# name -> (where it is, what it does): also what docs and tests are held to
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("watchfloor.commands.demo:demo", "A simulated fleet behind real SSH servers, on this machine."),
    "snapshot": ("watchfloor.commands.snapshot:snapshot", "Read the fleet once and print it."),
    "stack": ("watchfloor.commands.stack:stack", "The software of every layer, and where nodes have drifted apart."),
    "jobs": ("watchfloor.commands.jobs:jobs", "Who runs where, how well, and what waits."),
    "findings": ("watchfloor.commands.findings:findings", "What is wrong, the worst first, and since when."),
    "lineage": ("watchfloor.commands.lineage:lineage", "What happened to a job, on a node, to a user's jobs, and why."),
    "audit": (
        "watchfloor.commands.audit:app",
        "The ledger: what was decided, done and refused, and whether it is intact.",
    ),
    "run": ("watchfloor.commands.run:run", "What a playbook would do; with --apply, do it as far as it may be done."),
    "playbooks": ("watchfloor.commands.playbooks:app", "What is done when, and whether a file of yours is right."),
    "watch": ("watchfloor.commands.watch:watch", "Begin playbooks when they are due, as far as that is permitted."),
    "runs": ("watchfloor.commands.runs:runs", "What was proposed, what waits, and what came of it."),
    "show": ("watchfloor.commands.runs:show", "One run: plan, decision, commands, outcome."),
    "stop": ("watchfloor.commands.stopping:stop", "No act begins any more, whoever asks."),
    "resume": ("watchfloor.commands.stopping:resume", "Acts may begin again."),
    "policy": (
        "watchfloor.commands.policy:app",
        "What policy permits, and why; tables of cases; mistakes in policies.",
    ),
    "approve": ("watchfloor.commands.approve:approve", "Sign a plan with an SSH key, so that it may be carried out."),
    "reject": ("watchfloor.commands.approve:reject", "Sign that a plan must not be carried out."),
    "withdraw": ("watchfloor.commands.approve:withdraw", "Take back one's own approval or rejection of a plan."),
    "evidence": (
        "watchfloor.commands.evidence:app",
        "All that is known of a run, a job or an incident, in one file that proves itself.",
    ),
    "replay": ("watchfloor.commands.replay:replay", "A recorded session, watched again as it was seen."),
    "sessions": (
        "watchfloor.commands.sessions:app",
        "Recordings: which there are, whether they are unaltered.",
    ),
    "report": (
        "watchfloor.commands.report:report",
        "A week of the fleet in figures: for a review of operations, and for auditors.",
    ),
    "links": ("watchfloor.commands.links:links", "The links: what flows, and what is down, slow or uneven."),
    "doctor": ("watchfloor.commands.doctor:doctor", "Per node: what works, what doesn't, and what to do about it."),
    "export": ("watchfloor.commands.export:export", "Serve the fleet's metrics for Prometheus."),
    "read": ("watchfloor.commands.read:read", "What saved outputs of the vendors' tools say."),
    "metrics": ("watchfloor.commands.metrics:metrics", "The metric catalogue."),
    "schema": ("watchfloor.commands.schema:schema", "The JSON Schema of a file or of an output."),
}


def build() -> App:
    """The command tree. Parsing errors are raised, never printed here: `run` knows how they are to be shown."""
    app = App(
        name="watchfloor",
        help="The terminal from which GPU and accelerator fleets are operated.",
        version=__version__,
        default_parameter=Parameter(negative=()),
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    app["--help"].group = app["--version"].group = "Other"
    for name, (where, text) in COMMANDS.items():
        app.command(where, name=name, help=text)
    app.default(terminal)
    return app


def run(tokens: Sequence[str]) -> int:
    """Run one command line; returns its exit code. Ctrl-C, a closed pipe and every error end here."""
    as_json = any(token in ("--json", "--json=true") for token in tokens)
    try:
        result = build()(list(tokens))
        return int(result) if isinstance(result, int) else Exit.OK
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except CycloptsError as error:
        show_error(problem(str(error).strip(), _meant(tokens)), as_json)
        return Exit.USAGE
    except Exception as error:
        code, shown = _explained(error)
        show_error(shown, as_json and not isinstance(error, OutputError))
        return code


def _meant(tokens: Sequence[str]) -> str:
    """What to do about words that can't be parsed; a misspelt command is looked at as a host with odd options."""
    from watchfloor.units import nearest  # noqa: PLC0415 - a right command doesn't need it

    guess = nearest(tokens[0], list(COMMANDS)) if tokens and tokens[0] not in COMMANDS else ""
    meant = f"did you mean `watchfloor {guess}`? " if guess else ""
    return meant + "`watchfloor --help` lists the commands and their options"


def _explained(error: Exception) -> tuple[Exit, dict[str, object]]:
    """The exit code and the fields of an error: the user's own mistakes apart from ours."""
    if isinstance(error, WatchfloorError):
        if isinstance(error, StoreError | SessionError | OutputError):
            return Exit.NOT_KEPT, described(error)
        if isinstance(error, CannotPlan):
            return Exit.NOTHING_TO_DO if isinstance(error, NothingToDo) else Exit.NO_PLAN, described(error)
        usage = isinstance(error, ConfigError | QueryError)
        return Exit.USAGE if usage else Exit.INTERNAL, described(error)
    return Exit.INTERNAL, described(error)


def leave_when_told() -> None:
    """SIGTERM and SIGHUP end the program in order: the terminal is restored, and whatever was started is ended."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _reader_left() -> int:
    """Whoever read our output has closed it (`| head`): no error, and nothing more may be written."""
    write_nothing_more()
    return Exit.OK

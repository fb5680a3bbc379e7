"""What may be done about a finding: which actions fit it, and the command that shows their plan. Pure.

A console that only watches holds none of the actions: it knows their names from here, and tests hold the two together.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from watchfloor.model import Finding, Scope, Subject
from watchfloor.ports import Remedy

# codes (or how they begin) | actions that fit, the mildest first; "name=value" is a parameter that must be given
_TABLE = """
accelerator-lost accelerator-count | collect-evidence drain-node reboot-node open-ticket
recovery-action xid-fatal | collect-evidence drain-node reset-accelerator reboot-node open-ticket
xid-repeated | drain-node open-ticket
row-remap repair-pending pages- ecc- sram- | collect-evidence drain-node reset-accelerator open-ticket
fabric- nvlink- xgmi- gaudi- xelink- ici- | collect-evidence drain-node reset-accelerator reboot-node open-ticket
link- ib- roce- carrier- pcie- | collect-evidence drain-node open-ticket
temp- throttle hardware-slowdown | set-power-limit,watts=500 drain-node open-ticket
power- | set-power-limit,watts=500 restore-power-limit open-ticket
persistence- | set-persistence
application-clock | restore-clocks
service- unit- | restart-service,unit=UNIT collect-evidence
idle- job-idle held- | notify cancel-job
orphan-holder memory-unowned | collect-evidence notify
job-on- | requeue-job drain-node
node- | collect-evidence drain-node open-ticket
"""
_ANY = ("collect-evidence", "notify", "open-ticket")
_ROWS = [
    (codes.split(), names.split()) for codes, _, names in (row.partition("|") for row in _TABLE.strip().split("\n"))
]
_OF_JOBS = frozenset({"requeue-job", "cancel-job", "hold-job", "release-job"})
_OF_BOARDS = frozenset(
    {"reset-accelerator", "set-power-limit", "restore-power-limit", "set-clocks", "restore-clocks", "set-persistence"}
)
_WHY = {"drain-node": "reason", "open-ticket": "title", "notify": "text"}  # what takes the reason, and must be given it
_SAYS = {
    "collect-evidence": "keep what the node knows of it, and change nothing",
    "drain-node": "take the node out of service once its jobs are done",
    "reboot-node": "boot it anew, and wait until it is back",
    "reset-accelerator": "reset the board, which nothing may have open",
    "set-power-limit": "draw less, so that it runs cooler",
    "restore-power-limit": "let it draw what it is made for",
    "set-persistence": "keep the driver loaded while nobody uses it",
    "restore-clocks": "give back the clocks that it came with",
    "restart-service": "restart the unit that failed",
    "requeue-job": "let the job begin anew elsewhere",
    "cancel-job": "end the job",
    "notify": "tell somebody",
    "open-ticket": "have it looked at by hand",
}


def names_of(code: str) -> list[str]:
    """The actions that fit a code, the mildest first."""
    return [entry.partition(",")[0] for entry in _fitting(code)]


def every_name() -> set[str]:
    return {entry.partition(",")[0] for _, names in _ROWS for entry in names}


def remedies(finding: Finding, board: str = "") -> list[Remedy]:
    """What fits it, each with the command that shows its plan and changes nothing. `board`: the accelerator's name on
    its node, as queries know it."""
    return list(_made(finding, board))


def _fitting(code: str) -> Sequence[str]:
    return next((names for codes, names in _ROWS if any(code.startswith(begin) for begin in codes)), _ANY)


def _made(finding: Finding, board: str) -> Iterator[Remedy]:
    subject = finding.subject
    why = f"{finding.code} of {f'{subject.node} {board}' if board else subject}"
    for entry in _fitting(finding.code):
        name, _, told = entry.partition(",")
        scope = _scope(name)
        target = _target(scope, finding.subject, board)
        given = dict([told.split("=")]) if told else {_WHY[name]: why} if name in _WHY else {}
        if target:
            words = ["watchfloor", "run", name, "--target", target]
            words += [word for pair in given.items() for word in ("--set", "=".join(pair))]
            command = shlex.join([*words, "--reason", why])
            yield Remedy(name, _SAYS[name], scope, target, given, command)


def _scope(name: str) -> Scope:
    if name in _OF_JOBS:
        return Scope.JOB
    return Scope.ACCELERATOR if name in _OF_BOARDS else Scope.NODE


def _target(scope: Scope, subject: Subject, board: str) -> str:
    """A query over the fleet, as --target takes it; "" where what was found has nothing of that scope."""
    if scope is Scope.JOB:
        return f'id == "{subject.key}"' if subject.scope is Scope.JOB else ""
    node = f'node == "{subject.node}"' if subject.node else ""
    if scope is Scope.ACCELERATOR and node:
        return f'{node} and name == "{board}"' if board else node
    return node

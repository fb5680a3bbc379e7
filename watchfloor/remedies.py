"""What may be done about a concern: which playbooks and actions fit it, and the command that shows their plan. Pure.

A console that only watches holds none of the actions: it knows their names from here, and tests hold the two together.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence

from watchfloor.change import Risk
from watchfloor.fitting import Fit
from watchfloor.frame import Frame
from watchfloor.model import Scope, Subject
from watchfloor.ports import Concern, Remedy
from watchfloor.risks import RISKS, risk_of

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
_UNASKED = {  # of what nothing was found
    Scope.NODE: ("collect-evidence", "drain-node", "resume-node", "reboot-node", "open-ticket"),
    Scope.ACCELERATOR: (
        "collect-evidence", "drain-node", "set-power-limit,watts=500", "restore-power-limit", "reset-accelerator",
        "open-ticket",
    ),
    Scope.JOB: ("requeue-job", "hold-job", "release-job", "cancel-job"),
}  # fmt: skip
_ROWS = [
    (codes.split(), names.split()) for codes, _, names in (row.partition("|") for row in _TABLE.strip().split("\n"))
]
_OF_JOBS = frozenset({"requeue-job", "cancel-job", "hold-job", "release-job"})
_ASKED = "asked for at the terminal"
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
    "hold-job": "don't let it begin until it is released",
    "release-job": "let it begin, which was held",
    "resume-node": "give work to the node again",
    "notify": "tell somebody",
    "open-ticket": "have it looked at by hand",
}


def names_of(code: str) -> list[str]:
    """The actions that fit a code, the mildest first."""
    return [entry.partition(",")[0] for entry in _fitting(code)]


def every_name() -> set[str]:
    told = [entry for _, names in _ROWS for entry in names] + [entry for names in _UNASKED.values() for entry in names]
    return {entry.partition(",")[0] for entry in told}


def remedies(concern: Concern) -> list[Remedy]:
    """The actions that fit it, each with the command that shows its plan and changes nothing."""
    return list(_made(concern))


def of_playbooks(found: Sequence[Fit], concern: Concern, own: Collection[str], frame: Frame) -> list[Remedy]:
    """The playbooks that fit it. `own`: names of the user's, of which the policies that are shipped say nothing."""
    return [_of_playbook(fit, concern, fit.playbook.name in own, frame) for fit in found]


def _of_playbook(fit: Fit, concern: Concern, own: bool, frame: Frame) -> Remedy:
    playbook, risk = fit.playbook, risk_of(fit.playbook)
    target = _query_of(fit.targets, frame)
    command = _command(playbook.name, target, {}, _why(concern))
    watch = _under_watch(bool(playbook.triggers), risk, own)
    label = risk.label if risk is not None else ""
    return Remedy(playbook.name, playbook.summary, playbook.scope, target, {}, command, label, fit.why, watch, fit.true)


def _under_watch(begins: bool, risk: Risk | None, own: bool) -> str:
    """As the policies that watchfloor comes with have it; a user's own may say otherwise."""
    if not begins:
        return "`watch` never begins it"
    if own or risk is None:
        return "`watch` proposes it, and policy decides"
    if risk <= Risk.REVERSIBLE:
        return "`watch` carries it out by itself, unless a policy of yours forbids that"
    return "`watch` proposes it, and a person approves, unless a policy of yours permits it"


def _fitting(code: str) -> Sequence[str]:
    return next((names for codes, names in _ROWS if any(code.startswith(begin) for begin in codes)), _ANY)


def _made(concern: Concern) -> Iterator[Remedy]:
    subject, why = concern.subject, _why(concern)
    names = _fitting(concern.finding.code) if concern.finding is not None else _UNASKED.get(subject.scope, _ANY)
    for entry in names:
        name, _, told = entry.partition(",")
        scope = _scope(name)
        target = _target(scope, subject, concern.board)
        given = dict([told.split("=")]) if told else {_WHY[name]: why} if name in _WHY else {}
        if target:
            risk = RISKS[name.replace("-", "_")].label
            yield Remedy(name, _SAYS[name], scope, target, given, _command(name, target, given, why), risk)


def _why(concern: Concern) -> str:
    return f"{concern.finding.code} of {concern}" if concern.finding is not None else _ASKED


def _command(name: str, target: str, given: Mapping[str, str], why: str) -> str:
    words = ["watchfloor", "run", name, "--target", target]
    words += [word for pair in given.items() for word in ("--set", "=".join(pair))]
    return shlex.join([*words, "--reason", why])


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


def _query_of(targets: Sequence[Subject], frame: Frame) -> str:
    """The query over the fleet that finds these."""
    first = targets[0]
    if first.scope is Scope.JOB:
        return _among("id", [target.key for target in targets])
    if first.scope is not Scope.ACCELERATOR:
        return _among("node", [target.node for target in targets])
    nodes: dict[str, list[str]] = {}
    for target in targets:
        row = frame.row(target)
        nodes.setdefault(target.node, []).append(frame.accelerators.text(row, "name") if row is not None else "")
    parts = [f"{_among('node', [node])} and {_among('name', names)}" for node, names in nodes.items()]
    return parts[0] if len(parts) == 1 else " or ".join(f"({part})" for part in parts)


def _among(name: str, values: Sequence[str]) -> str:
    told = ", ".join(f'"{value}"' for value in values)
    return f"{name} == {told}" if len(values) == 1 else f"{name} in ({told})"

"""Which cues become incidents: the engine over successive frames. Pure: time comes in with the frames.

A single fault is answered in the frame in which it is seen. What comes of the same cause within `fold_seconds` of it
is gathered into one incident; more than `storm` targets are no single faults, and nothing is proposed for them. What
isn't proposed is told as well, each with its reason, and belongs in the ledger.

Cooldowns are measured in seconds that were watched, so that setting the clock neither opens nor closes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from itertools import groupby
from typing import Any

from agents.cues import LONGEST_GAP_SECONDS, Cue, Missed, root_beside, shown, sources
from agents.past import Key, Past, told_target
from agents.plan import Asked
from watchfloor.change import Origin
from watchfloor.checks._tools import limit
from watchfloor.frame import Frame
from watchfloor.lineage.acts import FINDINGS
from watchfloor.metrics import Unit
from watchfloor.model import Scope, Subject
from watchfloor.playbook import Guards, Playbook
from watchfloor.records.ledgerentry import Who
from watchfloor.schedule import within
from watchfloor.view import View

AGAIN_SECONDS = 300.0  # at least, before what an interlock held back is proposed anew
AHEAD_SECONDS = 60.0  # what is told of a time so far ahead, a clock that is wrong tells


@dataclass(frozen=True, slots=True)
class Incident:
    """What a plan is to be made for. `samples`: values of the playbook's evidence by target. `findings`: those that led
    to it, as lineage names them."""

    playbook: Playbook
    trigger: str
    targets: tuple[Subject, ...]
    reason: str
    seen_at: float
    began: float = 0.0
    samples: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[str, ...] = ()


def asked_by(incident: Incident, who: Who, at: float) -> Asked:
    """As a plan has it. The targets stand in its samples: by them the ledger is the memory of triggers,
    and what led to it, by which lineage finds it."""
    first = incident.targets[0]
    samples = {"targets": [told_target(target) for target in incident.targets], **incident.samples}
    if incident.began:
        samples["began"] = float(incident.began)  # a time that a clock of numpy's has corrected
    if incident.findings:
        samples[FINDINGS] = list(incident.findings)
    finding = incident.trigger.removeprefix("finding ") if incident.trigger.startswith("finding ") else ""
    origin = Origin(
        incident.reason, incident.trigger, finding, told_target(first), samples, seen_at=float(incident.seen_at)
    )  # fmt: skip
    return Asked(who, origin, at)


@dataclass(frozen=True, slots=True)
class NotDone:
    """`why`: stale, cooldown, storm, sympathetic, window, busy, missed, or clock."""

    playbook: str
    trigger: str
    why: str
    text: str
    targets: tuple[Subject, ...] = ()


@dataclass(frozen=True, slots=True)
class _Refusal:
    cue: Cue
    why: str
    text: str


@dataclass(slots=True)
class _Gathering:
    """What came of one cause. Times in seconds of running."""

    until: float
    targets: set[Subject] = field(default_factory=set)
    waiting: list[Cue] = field(default_factory=list)
    stormy: bool = False


@dataclass(slots=True)
class _Queued:
    incident: Incident
    until: float  # in seconds of running: then it is given up


class Engine:
    """`past` is read, and told what fired; who proposes renews it from the ledger."""

    def __init__(self, playbooks: Sequence[Playbook], past: Past, zone: tzinfo | None = None) -> None:
        self.past = past
        self._zone = zone or datetime.now().astimezone().tzinfo
        self._sources = sources(playbooks, self._zone)
        self._guards: Mapping[str, Guards] = {playbook.name: playbook.guards for playbook in playbooks}
        self._running, self._at = 0.0, 0.0
        self._began = 0.0  # what is told of a time before it may have been answered by another watch
        self._fired: dict[Key, float] = {}  # in seconds of running
        self._gatherings: dict[tuple[str, str], _Gathering] = {}
        self._queue: list[_Queued] = []
        self._renewed: dict[Key, str] = {}  # the run that was held back, once what it was for may come again
        self._said: dict[tuple[str, Subject, str], float] = {}  # of what comes again: when it was refused last

    def update(self, frame: Frame) -> list[Incident | NotDone]:
        """What this frame leads to, in the order in which it was found."""
        if not self._at:
            self._remember(frame.at)
        if not self._at or frame.at < self._at:
            self._began = frame.at
        self._running += min(max(0.0, frame.at - self._at), LONGEST_GAP_SECONDS) if self._at else 0.0
        self._at = frame.at
        self._renew(frame)
        told = [one for source in self._sources for one in source.cues(frame, self.past, self._running)]
        found: list[Incident | NotDone] = [_missed(one, self._zone) for one in told if isinstance(one, Missed)]
        cues, refused = self._guarded(frame, [one for one in told if isinstance(one, Cue)])
        found += _together(refused)
        for key, every in groupby(sorted(cues, key=_cause), _cause):
            found += self._gathered(frame, key, list(every))
        found += self._gathered_long_enough(frame)
        found += self._released(frame.at)
        for one in found:
            if isinstance(one, NotDone):
                self.past.refrained(one.playbook, one.targets, frame.at)
        return found

    def _remember(self, now: float) -> None:
        for key, at in self.past.proposed.items():
            self._fired[key] = self._running - max(0.0, now - at)

    # -- what was held back

    def _renew(self, frame: Frame) -> None:
        """What an interlock held back may come again once it has rested as after a run, if it still holds then."""
        for key, held in self.past.held.items():
            if self._renewed.get(key) == held.run or not self._has_rested(key):
                continue
            self._renewed[key] = held.run
            for source in self._sources:
                if source.playbook.name == key[0]:
                    source.again(key[1], frame)

    def _has_rested(self, key: Key) -> bool:
        if key not in self._fired or key[0] not in self._guards:
            return False
        return self._running - self._fired[key] >= max(self._guards[key[0]].cooldown_seconds, AGAIN_SECONDS)

    def _held_before(self, cues: Sequence[Cue]) -> str:
        """Which proposals for these were held back, and by what; "" where none was."""
        found = (self.past.held[_key(cue)] for cue in cues if _key(cue) in self.past.held)
        told = dict.fromkeys(f"run {held.run} was held back by {held.why}" for held in found)
        return "".join(f"; {text}" for text in told)

    # -- guards of a single cue

    def _guarded(self, frame: Frame, cues: Sequence[Cue]) -> tuple[list[Cue], list[_Refusal]]:
        """Those that may go on, and those that may not."""
        may: list[Cue] = []
        refused: list[_Refusal] = []
        taken: set[tuple[Key, str]] = set()
        for cue in cues:
            if self._handled(cue) or (_key(cue), cue.cause) in taken:
                continue
            taken.add((_key(cue), cue.cause))
            refusal = self._refusal(frame, cue)
            if refusal is None:
                may.append(cue)
            elif not cue.lasting or self._is_news(refusal):
                refused.append(refusal)
        return may, refused

    def _handled(self, cue: Cue) -> bool:
        """It was answered before a restart, or is another part of what is being gathered."""
        gathering = self._gatherings.get(_cause(cue))
        if gathering is not None and cue.target in gathering.targets:
            return True
        of_before = 0.0 < cue.began < self._began and not cue.due
        return of_before and self.past.handled.get(_key(cue), 0.0) >= cue.began

    def _is_news(self, refusal: _Refusal) -> bool:
        """What comes again and again is told once, until it was away for a while."""
        name = (refusal.cue.playbook.name, refusal.cue.target, refusal.why)
        before = self._said.get(name, float("-inf"))
        self._said[name] = self._running
        return self._running - before > LONGEST_GAP_SECONDS

    def _refusal(self, frame: Frame, cue: Cue) -> _Refusal | None:
        guards, age = cue.playbook.guards, frame.at - cue.began
        if cue.began and not cue.due and age > guards.fresh_seconds:
            fresh = _span(guards.fresh_seconds)
            return _Refusal(cue, "stale", f"it began {_span(age)} ago, and what is older than {fresh} is left alone")
        if cue.began and not cue.due and age < -AHEAD_SECONDS:
            return _Refusal(cue, "clock", f"it is told of {_span(-age)} from now, so a clock is wrong")
        if not within(guards.windows, frame.at, self._zone):
            return _Refusal(cue, "window", f"outside of {', '.join(guards.windows)}")
        since = self._running - self._fired.get(_key(cue), float("-inf"))
        if not cue.due and since < guards.cooldown_seconds:
            rest = _span(guards.cooldown_seconds)
            return _Refusal(cue, "cooldown", f"{cue.playbook.name} was there {_span(since)} ago, and rests for {rest}")
        return None

    # -- folding

    def _gathered(self, frame: Frame, key: tuple[str, str], cues: Sequence[Cue]) -> Iterator[NotDone]:
        """The first of a cause go at once; what follows within the window is gathered."""
        guards = cues[0].playbook.guards
        for cue in cues:
            if cue.source is not None:
                cue.source.answered(cue.target, self._running)
        if cues[0].due:
            self._put(frame, cues)
            return
        opened = key not in self._gatherings
        gathering = self._gatherings.setdefault(key, _Gathering(self._running + guards.fold_seconds))
        gathering.targets.update(cue.target for cue in cues)
        if len(gathering.targets) > guards.storm or gathering.stormy:
            together, gathering.waiting, gathering.stormy = [*gathering.waiting, *cues], [], True
            gathering.until = self._running + guards.fold_seconds
            yield _storm(together, len(gathering.targets))
        elif opened and not cues[0].follows:
            self._put(frame, cues)
        else:
            gathering.waiting += cues

    def _gathered_long_enough(self, frame: Frame) -> Iterator[NotDone]:
        for key, gathering in list(self._gatherings.items()):
            if self._running >= gathering.until:
                del self._gatherings[key]
                alone, folded = _solo(frame, gathering.waiting)
                yield from _together(folded)
                if alone:
                    self._put(frame, alone)

    # -- how many at once

    def _put(self, frame: Frame, cues: Sequence[Cue]) -> None:
        """Into the queue, as incidents of no more targets than a plan may have."""
        most = cues[0].playbook.guards.most_targets
        for cue in cues:
            self._fired[_key(cue)] = self._running
        for at in range(0, len(cues), most):
            some = cues[at : at + most]
            incident = _incident(frame, some, self._held_before(some))
            self._queue.append(_Queued(incident, self._running + incident.playbook.guards.fresh_seconds))

    def _released(self, now: float) -> Iterator[Incident | NotDone]:
        queue, self._queue = self._queue, []
        for one in queue:
            playbook = one.incident.playbook
            if not playbook.guards.at_once or self.past.open[playbook.name] < playbook.guards.at_once:
                self.past.begun(playbook.name, one.incident.targets, now)
                yield one.incident
            elif self._running >= one.until:
                text = (
                    f"{one.incident.reason}: {playbook.guards.at_once} runs of {playbook.name} were open all the while"
                )
                yield NotDone(playbook.name, one.incident.trigger, "busy", text, one.incident.targets)
            else:
                self._queue.append(one)


def _key(cue: Cue) -> Key:
    return cue.playbook.name, cue.target


def _cause(cue: Cue) -> tuple[str, str]:
    return cue.playbook.name, cue.cause


def _incident(frame: Frame, cues: Sequence[Cue], before: str) -> Incident:
    first, targets = cues[0], tuple(dict.fromkeys(cue.target for cue in cues))
    more = f" (and {len(targets) - 1} more)" if len(targets) > 1 else ""
    samples = {shown(target): found for target in targets if (found := _evidence(frame, first.playbook, target))}
    return Incident(
        first.playbook,
        first.trigger,
        targets,
        first.reason + more + before,
        min(cue.seen_at for cue in cues),
        min(cue.began for cue in cues),
        samples,
        tuple(dict.fromkeys(cue.finding for cue in cues if cue.finding)),
    )


def _evidence(frame: Frame, playbook: Playbook, target: Subject) -> dict[str, Any]:
    """The values of the playbook's metrics now; of a node's boards by their keys."""
    row = frame.row(target)
    if row is None or not playbook.evidence:
        return {}
    found = _values(frame.view(target.scope), row, playbook.evidence)
    node = frame.node_index.get(target.node)
    if node is not None and target.scope is not Scope.NODE:
        found |= {f"node {name}": value for name, value in _values(frame.nodes, node, playbook.evidence).items()}
    return found


def _values(view: View, row: int, names: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        try:
            cell = view.cell(row, name)
        except KeyError:
            continue
        value = float(cell.value) if isinstance(cell.value, int | float) else cell.value
        found[name] = cell.missing.label if cell.missing else value
    return found


def _solo(frame: Frame, cues: Sequence[Cue]) -> tuple[list[Cue], list[_Refusal]]:
    """XIDs that come of others are folded: of a root on their node, or of one job that ended on several nodes."""
    alone: list[Cue] = []
    folded: list[_Refusal] = []
    seconds = limit("xid-burst", "window", Unit.SECONDS)
    nodes: dict[str, set[str]] = {}
    for cue in cues:
        nodes.setdefault(cue.follows, set()).add(cue.target.node)
    for cue in cues:
        root = root_beside(frame, cue, seconds) if cue.follows else ""
        if root:
            folded.append(_Refusal(cue, "sympathetic", f"it comes of {root} on the same node"))
        elif cue.follows and len(nodes[cue.follows]) > 1:
            job = f"job {cue.follows}" if cue.follows.strip() else "one end of work"
            folded.append(
                _Refusal(cue, "sympathetic", f"{len(nodes[cue.follows])} nodes had it together: it comes of {job}")
            )
        else:
            alone.append(cue)
    return alone, folded


def _storm(cues: Sequence[Cue], targets: int) -> NotDone:
    first, most = cues[0], cues[0].playbook.guards.storm
    text = f"{first.trigger} on {targets} targets at once: more than {most} are no single faults; find what they share"
    return NotDone(first.playbook.name, first.trigger, "storm", text, tuple(dict.fromkeys(cue.target for cue in cues)))


def _together(refused: Sequence[_Refusal]) -> Iterator[NotDone]:
    """One entry a playbook, trigger and reason, however many targets."""
    kinds: dict[tuple[str, str, str], list[_Refusal]] = {}
    for one in refused:
        kinds.setdefault((one.cue.playbook.name, one.cue.trigger, one.why), []).append(one)
    for (playbook, trigger, why), every in kinds.items():
        targets = tuple(dict.fromkeys(one.cue.target for one in every))
        more = f" (and {len(targets) - 1} more)" if len(targets) > 1 else ""
        yield NotDone(playbook, trigger, why, f"{every[0].cue.reason}{more}: {every[0].text}", targets)


def _missed(one: Missed, zone: tzinfo | None) -> NotDone:
    at = datetime.fromtimestamp(one.newest, zone).strftime("%Y-%m-%d %H:%M")
    often = "once" if one.times == 1 else f"{one.times} times"
    text = f"{one.playbook.name} was due {often} while nobody watched, last at {at}: it is not made up for"
    return NotDone(one.playbook.name, one.trigger, "missed", text)


def _span(seconds: float) -> str:
    for size, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} s"

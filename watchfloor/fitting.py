"""Which playbooks fit a subject: what of the fleet each would be begun for, and whether one of its triggers is true.

Of one frame, as a person asks; who watches frame after frame is `agents/triggers.py`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from watchfloor import query
from watchfloor.checks._tools import subject_of
from watchfloor.frame import Frame
from watchfloor.model import Scope, Subject
from watchfloor.playbook import EventTrigger, Playbook, QueryTrigger, RunsTrigger, ScheduleTrigger, Trigger
from watchfloor.snapshot.words import duration

_LONGEST = 90  # characters of a trigger that isn't true: `watchfloor playbooks show` has the whole
_RECENT_SECONDS = 86_400.0  # an event that is older is no reason any more

Newest = Callable[[Subject], str]  # whose the newest run on it was, "" where there was none


@dataclass(frozen=True, slots=True)
class Fit:
    """`true`: one of its triggers is, and `why` says which and of what; else what it waits for."""

    playbook: Playbook
    targets: tuple[Subject, ...]
    why: str
    true: bool


def target_of(subject: Subject, scope: Scope, frame: Frame) -> Subject | None:
    """What a playbook of this scope has to do with a subject: its node, its job, itself; None: nothing."""
    if subject.scope is scope:
        return subject
    if scope is Scope.NODE and subject.node:
        return Subject(Scope.NODE, subject.node)
    if scope is Scope.JOB and subject.scope is Scope.ACCELERATOR:
        row = frame.row(subject)
        job = frame.jobs.owner_of(row) if row is not None else -1
        return Subject(Scope.JOB, "", frame.jobs.rows[job].id) if job >= 0 else None
    return None


def fits(subject: Subject, playbooks: Mapping[str, Playbook], frame: Frame, newest: Newest) -> list[Fit]:
    """Those whose trigger is true first; each by its name."""
    found = [fit for name in sorted(playbooks) if (fit := _fit(subject, playbooks[name], frame, newest)) is not None]
    return sorted(found, key=lambda fit: not fit.true)


def _fit(subject: Subject, playbook: Playbook, frame: Frame, newest: Newest) -> Fit | None:
    own = target_of(subject, playbook.scope, frame)
    targets = [own] if own is not None else _below(subject, playbook.scope, frame)
    for trigger in playbook.triggers:
        true = list(_true_of(trigger, targets, frame, newest))[: playbook.guards.most_targets]
        if true:
            names = ", ".join(called(target, frame) for target, _ in true)
            why = f"its trigger `{told(trigger)}` is true of {names}{true[0][1]}"
            return Fit(playbook, tuple(target for target, _ in true), why, True)
    if own is None:
        return None  # of all that hangs on it, nothing asks for this playbook
    waits = " or ".join(f"`{_short(told(trigger))}`" for trigger in playbook.triggers)
    why = f"it is for {playbook.scope}s; " + (f"{waits} is not true of {called(own, frame)}" if waits else "by hand")
    return Fit(playbook, (own,), why, False)


def _below(subject: Subject, scope: Scope, frame: Frame) -> list[Subject]:
    """What hangs on a subject: a node's accelerators and jobs, a job's accelerators and nodes."""
    row = frame.row(subject)
    if row is None:
        return []
    if subject.scope is Scope.JOB:
        boards = frame.jobs.accelerators_of(row).tolist()
    else:
        boards = frame.rows_of(Scope.ACCELERATOR, row).tolist() if subject.scope is Scope.NODE else []
    of_boards = [target_of(frame.subject(Scope.ACCELERATOR, board), scope, frame) for board in boards]
    return list(dict.fromkeys(found for found in of_boards if found is not None))


def called(subject: Subject, frame: Frame) -> str:
    """As a person calls it: `gpu3 of n2`, a node by its name, a job by its id."""
    row = frame.row(subject) if subject.scope is Scope.ACCELERATOR else None
    if row is None:
        return subject.key or subject.node
    return f"{frame.accelerators.text(row, 'name') or subject.key} of {subject.node}"


def told(trigger: Trigger) -> str:
    """A trigger as a person reads it."""
    match trigger:
        case QueryTrigger():
            lasting = f" for {duration(trigger.for_seconds)}" if trigger.for_seconds else ""
            after = f", after {' or '.join(trigger.after)}" if trigger.after else ""
            return f"{' '.join(trigger.query.split())}{lasting}{after}"
        case EventTrigger():
            return _of_codes(" or ".join(trigger.events), trigger.codes) or f"finding {', '.join(trigger.findings)}"
        case ScheduleTrigger():
            return f"{trigger.cron} {trigger.query}".rstrip()
        case RunsTrigger():
            return f"{trigger.times} runs within {duration(trigger.within_seconds)}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2].rstrip()} …"


def _of_codes(kinds: str, codes: Sequence[str]) -> str:
    return f"{kinds} in ({', '.join(codes)})" if kinds and codes else kinds


# -- what is true


def _true_of(
    trigger: Trigger, targets: Sequence[Subject], frame: Frame, newest: Newest
) -> Iterator[tuple[Subject, str]]:
    """Of which targets, with what there is to say besides. No single frame says it of schedules and numbers of runs."""
    match trigger:
        case QueryTrigger():
            yield from _by_query(trigger, targets, frame, newest)
        case EventTrigger():
            yield from _by_event(trigger, set(targets), frame)
            yield from _by_finding(trigger, set(targets), frame)


def _by_query(
    trigger: QueryTrigger, targets: Sequence[Subject], frame: Frame, newest: Newest
) -> Iterator[tuple[Subject, str]]:
    if not targets:
        return
    mask = query.parse(trigger.query, targets[0].scope).mask(frame)
    lasting = f" now; `watch` waits until it was for {duration(trigger.for_seconds)}" if trigger.for_seconds else ""
    for target in targets:
        row = frame.row(target)
        if row is not None and mask[row] and (not trigger.after or newest(target) in trigger.after):
            yield target, lasting


def _by_event(trigger: EventTrigger, targets: set[Subject], frame: Frame) -> Iterator[tuple[Subject, str]]:
    """By the newest of each."""
    said: set[Subject] = set()
    scope = next(iter(targets)).scope if targets else Scope.NODE
    for node in _nodes(targets, frame):
        for entry in frame.events.of_node(node):
            event = entry.event
            wanted = event.kind in trigger.events and (not trigger.codes or str(event.code) in trigger.codes)
            if not wanted or frame.at - entry.last > _RECENT_SECONDS:
                continue
            subject = subject_of(frame, entry.node, entry.device)
            target = target_of(subject, scope, frame)
            if target in targets and target not in said:
                said.add(target)
                code = f" {event.code}" if event.code >= 0 else ""
                ago = duration(max(0.0, frame.at - entry.last))
                yield target, f": {event.kind}{code} on {called(subject, frame)}, {ago} ago"


def _nodes(targets: Iterable[Subject], frame: Frame) -> Iterable[int]:
    if any(target.scope is Scope.JOB for target in targets):
        return range(len(frame.specs))
    return [
        frame.node_index[name] for name in dict.fromkeys(target.node for target in targets) if name in frame.node_index
    ]


def _by_finding(trigger: EventTrigger, targets: set[Subject], frame: Frame) -> Iterator[tuple[Subject, str]]:
    said: set[Subject] = set()
    scope = next(iter(targets)).scope if targets else Scope.NODE
    for finding in frame.findings:
        if finding.code not in trigger.findings:
            continue
        for subject in (finding.subject, *finding.others):
            target = target_of(subject, scope, frame)
            if target in targets and target not in said:
                said.add(target)
                yield target, f": {finding.text}"

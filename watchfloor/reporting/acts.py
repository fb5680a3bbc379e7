"""What was asked for, decided, approved, done and refrained from, as the ledger tells. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from watchfloor.change import Outcome, Ruling
from watchfloor.records.ledgerentry import Entry, Who
from watchfloor.records.ledgerwords import Applied, Decided, Intent, Kind, Refused
from watchfloor.reporting.figures import Cell, Named, Section, Table, Unit, columns, known, ratio
from watchfloor.reporting.kept import Kept
from watchfloor.runs import APPROVALS, RunRecord, Standing, signer_of

_VERDICTS = (Ruling.PERMIT, Ruling.NEEDS_APPROVAL, Ruling.DENY, "interlocked")
_BY_VERDICT = columns(
    "action ACTION, plans PLANS, permit PERMIT, needs_approval APPROVAL, deny DENIED, interlocked HELD, undecided OPEN"
)
_BY_OUTCOME = columns(
    "action ACTION, begun BEGUN, succeeded OK, failed FAILED, rolled_back BACK, unverified UNSEEN, refused REFUSED, "
    "abandoned LEFT, open OPEN"
)
_BY_APPROVER = columns(
    "person PERSON, approvals YES, rejections NO, withdrawals BACK, own OWN, begun BEGUN, waited WAITED"
)
_BY_ASKER = columns("who WHO, plans PLANS, begun BEGUN, commands COMMANDS")
_REFUSALS = columns("why WHY, times TIMES, playbooks PLAYBOOKS, last LAST, text TEXT")
_MISSED = columns("at WHEN, playbook PLAYBOOK, text WHY")
_MISSED_WORDS = ("missed", "expired")
_MOST = 50  # rows of a list


def section(kept: Kept) -> Section:
    if lack := kept.lack("ledger"):
        return Section("acts", "Acts", remarks=(f"not known: {lack}",))
    proposed = _proposed(kept)
    tables = (_by_verdict(proposed, kept), _by_outcome(kept), _by_approver(kept), _by_asker(kept, proposed))
    return Section("acts", "Acts", tuple(_figures(kept, proposed)), tables)


def refusals(kept: Kept) -> Section:
    if lack := kept.lack("ledger"):
        return Section("refusals", "What was not done", remarks=(f"not known: {lack}",))
    refused = list(kept.told(Refused))
    return Section("refusals", "What was not done", tables=(_by_why(refused), _held_back(kept), _missed(refused)))


def _proposed(kept: Kept) -> list[RunRecord]:
    """Runs that were proposed in the window."""
    return [record for record in kept.runs.values() if record.proposed and kept.window.has(record.proposed)]


def _figures(kept: Kept, proposed: Sequence[RunRecord]) -> Iterator[Named]:
    entries = f"{len(kept.entries):,} entries of the ledger in this time"
    begun = [record for record in kept.runs.values() if kept.window.has(record.begun or None)]
    ended = [record for record in kept.runs.values() if kept.window.has(record.ended or None)]
    good = sum(record.outcome == Outcome.SUCCEEDED for record in ended)
    yield Named("proposed", "plans proposed", known(len(proposed)), entries)
    yield Named("begun", "runs begun", known(len(begun)), entries)
    share = ratio(good, len(ended), Unit.SHARE, "no run ended")
    yield Named("succeeded", "of the runs that ended, succeeded", share, f"{len(ended)} ended")
    commands = [body for _, body in kept.told(Applied)]
    doubtful = sum(body.exit_code is None for body in commands)
    yield Named("commands", "commands carried out", known(len(commands)), f"of {doubtful} nobody knows how they ended")


# -- by action


def _by_verdict(proposed: Sequence[RunRecord], kept: Kept) -> Table:
    first = _first_verdicts(kept)
    counts: dict[str, Counter[str]] = {}
    for record in proposed:
        for action in record.plan.actions if record.plan else ("(plan not readable)",):
            counts.setdefault(action, Counter())[first.get(record.run, "")] += 1
    rows = [
        (action, known(of.total()), *(known(of[verdict]) for verdict in _VERDICTS), known(of[""]))
        for action, of in sorted(counts.items())
    ]
    basis = "the first verdict on each plan; a plan of several actions counts with each of them"
    return Table("by_verdict", "by action and verdict", _BY_VERDICT, rows, basis, "no plan was proposed")


def _first_verdicts(kept: Kept) -> Mapping[str, str]:
    """By run."""
    found: dict[str, str] = {}
    for entry, body in kept.told(Decided):
        found.setdefault(entry.run, body.verdict)
    return found


def _by_outcome(kept: Kept) -> Table:
    counts: dict[str, Counter[str]] = {}
    begun: Counter[str] = Counter()
    for record in kept.runs.values():
        is_open = record.standing is not Standing.OVER
        if not (kept.window.has(record.ended or None) or is_open):
            continue
        for action in record.plan.actions if record.plan else ():
            counts.setdefault(action, Counter())[record.outcome or "open"] += 1
            begun[action] += bool(record.begun)
    rows = [
        (action, known(begun[action]), *(known(of[outcome]) for outcome in _OUTCOMES), known(of["open"]))
        for action, of in sorted(counts.items())
    ]
    return Table(
        "by_outcome", "by action and outcome", _BY_OUTCOME, rows, "runs that ended, or still stand open", "no run"
    )


_OUTCOMES = ("succeeded", "failed", "rolled-back", "unverified", "refused", "abandoned")


# -- by person


def _by_approver(kept: Kept) -> Table:
    counts: dict[str, Counter[str]] = {}
    waited: dict[str, list[float]] = {}
    of_plan: dict[str, list[RunRecord]] = {}
    for record in kept.runs.values():
        of_plan.setdefault(record.digest, []).append(record)
    for entry in kept.entries:
        if entry.kind not in APPROVALS:
            continue
        person, runs = signer_of(entry), of_plan.get(entry.plan, [])
        of = counts.setdefault(person, Counter())
        of[entry.kind] += 1
        of["own"] += any(person in _asked(record.who) for record in runs)
        if entry.kind == Kind.APPROVAL:
            of["begun"] += any(record.begun for record in runs)
            waited.setdefault(person, []).extend(entry.seconds - record.proposed for record in runs if record.proposed)
    rows = [_approver(person, of, waited.get(person, [])) for person, of in sorted(counts.items())]
    basis = "statements on record, whose signatures `watchfloor show RUN` checks; OWN: on plans that they asked for"
    return Table("by_approver", "by approver", _BY_APPROVER, rows, basis, "nobody approved or rejected anything")


def _asked(who: Who | None) -> tuple[str, ...]:
    return (who.name, who.on_behalf_of) if who else ()


def _approver(person: str, of: Counter[str], waited: Sequence[float]) -> Sequence[Cell]:
    kinds = [known(of[kind]) for kind in APPROVALS]
    mean = ratio(sum(waited), len(waited), Unit.SECONDS, "their plans are not on record")
    return (person, *kinds, known(of["own"]), known(of["begun"]), mean)


def _by_asker(kept: Kept, proposed: Sequence[RunRecord]) -> Table:
    plans: Counter[str] = Counter(_name(record.who) for record in proposed if record.who)
    begun: Counter[str] = Counter(_name(record.who) for record in proposed if record.who and record.begun)
    commands: Counter[str] = Counter(_name(entry.who) for entry in kept.entries if entry.kind == Intent.kind)
    rows = [(who, known(plans[who]), known(begun[who]), known(commands[who])) for who in sorted({*plans, *commands})]
    basis = "who proposed plans, and in whose name commands were begun; agents with their model"
    return Table("by_asker", "by who asked", _BY_ASKER, rows, basis, "nobody asked for anything")


def _name(who: Who) -> str:
    name = who.name if who.kind == "person" else f"{who.kind} {who.name}"
    name += f" ({who.model})" if who.model else ""
    return f"{name} for {who.on_behalf_of}" if who.on_behalf_of else name


# -- what was not done


def _by_why(refused: Sequence[tuple[Entry, Refused]]) -> Table:
    of: dict[str, list[tuple[Entry, Refused]]] = {}
    for entry, body in refused:
        of.setdefault(body.why, []).append((entry, body))
    rows = [
        (
            why,
            known(len(those)),
            ", ".join(sorted({body.what for _, body in those if body.what})) or "(runs)",
            known(those[-1][0].seconds, Unit.TIME),
            those[-1][1].text,
        )
        for why, those in sorted(of.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    return Table("refusals", "refusals", _REFUSALS, rows, "entries of the kind refused; the text is the last one's")


def _held_back(kept: Kept) -> Table:
    """What policies denied, and interlocks held back."""
    counts: Counter[tuple[str, str]] = Counter()
    for _, body in kept.told(Decided):
        counts.update(("interlock", name) for name in body.interlocks)
        if body.verdict == Ruling.DENY:
            counts.update(("policy", name) for name in body.policies or ["(none permits it)"])
    rows = [(what, name, known(times)) for (what, name), times in counts.most_common()]
    return Table("held_back", "denied or held back by", columns("what WHAT, name NAME, times TIMES"), rows, "decisions")


def _missed(refused: Sequence[tuple[Entry, Refused]]) -> Table:
    rows = [
        (known(entry.seconds, Unit.TIME), body.what or entry.run, f"{body.why}: {body.text}")
        for entry, body in refused
        if body.why in _MISSED_WORDS
    ]
    basis = "schedules that came due while nobody watched, and plans that expired before they were begun"
    return Table("missed", "missed runs", _MISSED, rows[-_MOST:], basis)

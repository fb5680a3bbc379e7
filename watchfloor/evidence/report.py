"""A bundle as a page for a person who has never seen the program: what happened, who decided, what was done. Pure.

All times are UTC, so that the same bundle is the same page wherever it is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from watchfloor.evidence.gathered import Gathered
from watchfloor.evidence.matter import RUN
from watchfloor.evidence.names import ABOUT, ENTRIES, HOW, SUMS, plan_text, transcript
from watchfloor.evidence.plots import clock, plots
from watchfloor.evidence.texts import GIVEN, utc
from watchfloor.evidence.texts import transcript as transcript_lines
from watchfloor.html.markup import Html, facts, joined, listed, paragraph, preformatted, table, tag
from watchfloor.html.page import Section, page
from watchfloor.html.plot import Mark, told
from watchfloor.records.ledgerentry import Entry
from watchfloor.records.ledgerwords import Kind
from watchfloor.redact import redact
from watchfloor.runs import RunRecord, signer_of
from watchfloor.snapshot.ledger import said
from watchfloor.snapshot.plan import plan_text as shown_plan
from watchfloor.snapshot.runs import standing_text

_MOST_ROWS = 400
_MARKED = (Kind.PROPOSED, Kind.DECIDED, *GIVEN, Kind.REFUSED, Kind.INTENT, Kind.APPLIED, Kind.VERIFIED, Kind.OUTCOME)
_MOST_MARKS = 24
Row = tuple[float, str, str, str]  # time, what it is, on what, what it says


def report(gathered: Gathered) -> str:
    matter = gathered.matter
    parts = [
        Section("In short", _summary(gathered)),
        Section("What is missing", _missing(gathered)),
        *([Section("What led to what", preformatted(redact(matter.tale)))] if matter.tale else ()),
        Section("What was seen", _seen(gathered)),
        Section("What happened", _timeline(gathered)),
        *(Section(f"Run {run.run}", _run(gathered, run)) for run in matter.runs),
        Section("Entries of the ledger", _entries(gathered)),
        Section("How this is proven", _proof(gathered)),
    ]
    lead = f"{utc(matter.begin)} to {utc(matter.end)}"
    return page(redact(f"Evidence: {matter.title}"), parts, lead)


def _summary(gathered: Gathered) -> Html:
    matter = gathered.matter
    found = [] if matter.kind == RUN else [(matter.kind, redact(matter.name))]
    for run in matter.runs:
        found += _run_in_short(run)
    found += [("nodes", ", ".join(matter.nodes) or "none"), ("jobs", ", ".join(map(redact, matter.jobs)) or "none")]
    return facts(found)


def _run_in_short(run: RunRecord) -> list[tuple[str, str]]:
    plan, decided = run.plan, run.decided
    name = f"{plan.playbook} ({plan.risk.label})" if plan else "its plan can't be read"
    outcome = standing_text(run) + (f": {run.text}" if run.text else "")
    found = [(f"run {run.run}", f"{name} · {outcome}")]
    if plan is not None:
        found.append(("why", plan.origin.reason))
    if decided is not None:
        by = f" by {', '.join(decided.policies)}" if decided.policies else ""
        approved = f"; approved by {', '.join(run.approved_by)}" if run.approved_by else ""
        found.append(("decided", f"{decided.verdict}{by}{approved}"))
    return found


def _missing(gathered: Gathered) -> Html:
    lacking = [joined((tag("strong", what), f": {why}")) for what, why in gathered.missing.items()]
    lacking += [joined((note,)) for note in (*gathered.matter.notes, *gathered.pieces.notes)]
    return listed(lacking) if lacking else paragraph("Nothing: everything that a bundle may hold is in this one.")


# -- what was seen


def _seen(gathered: Gathered) -> Html:
    found = gathered.pieces.fullest
    if found is None or not found.times:
        return paragraph("No recording covers this time.")
    marks = _marks(gathered)
    left = paragraph(
        "Numbers are entries of the ledger; a gap in a line is a value that wasn't known. Times are UTC. Where several "
        "recordings cover the time, the one with most moments is drawn; all are in the telemetry."
    )
    recordings = table(
        ("RECORDING", "STATE", "MOMENTS", "SHA-256"),
        [
            (piece.name, str(piece.told.wholeness), str(len(piece.slice.times)), piece.told.sha256 or "it has no seal")
            for piece in gathered.pieces.pieces
        ],
        {2},
    )
    return joined((left, told(marks, clock), *plots(found, marks), recordings))


def _marks(gathered: Gathered) -> list[Mark]:
    found = [
        Mark(entry.seconds, str(entry.number), f"{entry.kind}: {said(entry)}".rstrip(": "))
        for entry in gathered.entries
        if entry.kind in _MARKED
    ]
    return found[:_MOST_MARKS]


# -- what happened


def _timeline(gathered: Gathered) -> Html:
    rows = sorted(chain(_of_entries(gathered), _of_slices(gathered)))
    shown = [(_when(gathered, at), kind, redact(on), redact(text)) for at, kind, on, text in rows[:_MOST_ROWS]]
    more = paragraph(f"{len(rows) - _MOST_ROWS} more are in the files.") if len(rows) > _MOST_ROWS else ""
    return (
        joined((table(("WHEN", "WHAT", "ON", ""), shown, {0}), more)) if shown else paragraph("Nothing is known of it.")
    )


def _when(gathered: Gathered, at: float) -> str:
    """With its day where that isn't the one on which the window begins."""
    day, begin = utc(at), utc(gathered.matter.begin)
    return clock(at) if day[:10] == begin[:10] else day.removesuffix(" UTC")


def _of_entries(gathered: Gathered) -> Iterator[Row]:
    for entry in gathered.entries:
        if gathered.matter.begin <= entry.seconds <= gathered.matter.end:
            on = ", ".join(name for subject in entry.subjects[:3] for _, _, name in (subject.partition(":"),))
            yield entry.seconds, f"{entry.kind} (entry {entry.number})", on, said(entry)


def _of_slices(gathered: Gathered) -> Iterator[Row]:
    rows: dict[tuple[object, ...], Row] = {}
    for piece in gathered.pieces.pieces:
        for record in piece.slice.records.values():
            finding = record.finding
            on, over = piece.slice.name(finding.subject), "" if record.holds else f"; over at {utc(record.last)}"
            row = (record.first, f"finding {finding.code}, {finding.state.label}", on, finding.text + over)
            rows["finding", finding.subject, finding.code] = row
        for node, event in piece.slice.events.values():
            times = f", {event.count} times" if event.count > 1 else ""
            row = (event.at, f"event {event.event.kind}{times}", node, event.event.text)
            rows["event", node, event.event.kind, event.at, event.event.text] = row
    yield from rows.values()


# -- a run


def _run(gathered: Gathered, run: RunRecord) -> Html:
    entries = [entry for entry in gathered.entries if entry.run == run.run]
    given = [entry for entry in gathered.entries if entry.kind in GIVEN and entry.plan == run.digest]
    who = run.who
    asked = f"{who.kind} {who.name}" + (f" for {who.on_behalf_of}" if who.on_behalf_of else "") if who else ""
    model = f"{who.model}, prompt sha256 {who.prompt}" if who and who.model else ""
    heads = facts(
        (word, text)
        for word, text in (
            ("asked by", asked),
            ("model", model),
            ("proposed", utc(run.proposed) if run.proposed else ""),
            ("plan", run.digest),
            ("outcome", standing_text(run) + (f": {run.text}" if run.text else "")),
        )
        if text
    )
    plan = run.plan
    return joined(
        (
            heads,
            tag("h3", "The plan as it was shown"),
            preformatted(shown_plan(plan, plan.created)) if plan else paragraph("It can't be read any more."),
            tag("h3", "Decision"),
            _decision(gathered, run),
            tag("h3", "Approvals"),
            _approvals(gathered, given, run),
            tag("h3", "Commands and what they printed"),
            preformatted("\n".join(transcript_lines(run.run, entries))),
            paragraph(f"In files: {plan_text(run.run)}, {transcript(run.run)}"),
        )
    )


def _decision(gathered: Gathered, run: RunRecord) -> Html:
    decided = run.decided
    if decided is None:
        return paragraph("It was never decided.")
    heads = facts(
        (word, text)
        for word, text in (
            ("verdict", decided.verdict),
            ("because", "; ".join(decided.reasons)),
            ("rules", ", ".join(decided.policies)),
            ("interlocks", ", ".join(decided.interlocks)),
            ("approvals", str(decided.approvals) if decided.approvals else ""),
            ("policy", f"sha256 {decided.policy_digest}" if decided.policy_digest else ""),
        )
        if text
    )
    rules = [preformatted(gathered.rules[name]) for name in decided.policies if gathered.rules.get(name)]
    return joined((heads, *rules))


def _approvals(gathered: Gathered, given: Sequence[Entry], run: RunRecord) -> Html:
    if not given:
        needed = run.decided.approvals if run.decided else 0
        return paragraph(f"Nobody said anything; {needed} needed." if needed else "None was needed.")
    rows = [
        (
            f"{entry.kind} (entry {entry.number})",
            signer_of(entry),
            _when(gathered, entry.seconds),
            str(entry.body.get("reason", "")),
            gathered.signers.get(entry.number) or "no valid signature",
        )
        for entry in given
    ]
    return table(("WHAT", "WHO", "WHEN", "REASON", "SIGNED BY KEY"), rows, {2})


# -- the ledger


def _entries(gathered: Gathered) -> Html:
    if not gathered.entries:
        return paragraph("There are none.")
    rows = [
        (str(entry.number), _when(gathered, entry.seconds), entry.kind, entry.who.name, said(entry), entry.digest[:16])
        for entry in gathered.entries[:_MOST_ROWS]
    ]
    whole = paragraph(f"Whole, byte for byte: {ENTRIES}")
    return joined((table(("NUMBER", "WHEN", "KIND", "BY", "SAYS", "HASH"), rows, {0, 1}), whole))


def _proof(gathered: Gathered) -> Html:
    proof = gathered.proven
    parts = [
        f"{SUMS} has the SHA-256 of every file beside this page; `watchfloor evidence verify FILE.zip` checks all of "
        f"it, and {HOW} says how to do it with stock tools. {ABOUT} says what this is evidence of.",
    ]
    if proof is not None:
        signed = "a key has signed that root." if proof.signature else "nobody has signed that root."
        parts.append(
            f"Each entry has a proof that it is among the first {proof.state.size} entries of {proof.state.origin}, "
            f"whose root is {proof.state.root}; {signed}"
        )
    parts.append(
        "What is proven is that these entries are in the ledger as they are here. That the ledger holds no others of "
        "this matter, only the whole ledger shows (`watchfloor audit verify`, `watchfloor audit log`)."
    )
    return joined(map(paragraph, parts))

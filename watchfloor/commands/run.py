"""`watchfloor run`: a playbook as a plan; with --apply carried out, as far as policy and interlocks let it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter

from watchfloor import governance, query
from watchfloor.change import Outcome, Plan, Ruling, Value, plain
from watchfloor.commands import output
from watchfloor.commands.arguments import Source
from watchfloor.commands.recordings import Seen, recording_for
from watchfloor.commands.waiting import settled_with_jobs
from watchfloor.errors import CannotPlan, ConfigError, NothingToDo
from watchfloor.exits import Exit
from watchfloor.frame import Frame
from watchfloor.keeper import account
from watchfloor.lineage.times import Times
from watchfloor.model import Subject
from watchfloor.places import findings_file, ledger_file, lineage_place, signers_file
from watchfloor.playbook import Playbook
from watchfloor.query.unseen import may_hold_on
from watchfloor.records.ledgerentry import Note, Party, Who
from watchfloor.records.ledgerwords import Refused
from watchfloor.signing import own_key
from watchfloor.snapshot import letting_go
from watchfloor.snapshot.plan import plan_text
from watchfloor.snapshot.runs import document, run_text
from watchfloor.snapshot.selection import reasons_not_read

if TYPE_CHECKING:
    from agents.carrying import Result
    from agents.harness import Decision
    from watchfloor.acting import Post

FORMAT = "watchfloor.run/1"
_POLL_SECONDS = 1.0
_LAST_LOOK_SECONDS = 3.0
_MOST_NAMED = 5

_REFUSALS = {
    "not-approved": Exit.WAITS_FOR_APPROVAL,
    "denied": Exit.DENIED,
    "no-policy": Exit.DENIED,
    "rejected": Exit.DENIED,
    "moved": Exit.VOID,
    "expired": Exit.VOID,
    "over": Exit.VOID,
}
_OUTCOMES = {
    Outcome.SUCCEEDED: Exit.OK,
    Outcome.FAILED: Exit.FAILED,
    Outcome.ROLLED_BACK: Exit.ROLLED_BACK,
    Outcome.UNVERIFIED: Exit.UNVERIFIED,
    Outcome.ABANDONED: Exit.ABANDONED,
}


def run(
    what: Annotated[str, Parameter(help="A playbook or an action, such as drain-node; or a run's id, to go on with.")],
    /,
    *hosts: Annotated[str, Parameter(help="Hosts, as for `watchfloor`. None: --fleet, else here.")],
    source: Source = Source(),
    target: Annotated[str, Parameter(help="A query that says on what: 'node == \"n2\"'.")] = "",
    set: Annotated[tuple[str, ...], Parameter(help="A parameter, such as watts=500; may be given again.")] = (),
    reason: Annotated[str, Parameter(help="Why. It is in the ledger, and whoever approves reads it.")] = "",
    apply: Annotated[bool, Parameter(help="Do it. Without, the plan is shown and nothing is changed.")] = False,
    wait: Annotated[float, Parameter(help="With --apply: so many seconds for an approval to come.")] = 0.0,
    service: Annotated[str, Parameter(help="Ask as this service, for cron, rather than as a person.")] = "",
    json: Annotated[bool, Parameter(help="As JSON.")] = False,
    timeout: Annotated[float, Parameter(help="Seconds that slow nodes are waited for.")] = 20.0,
    no_record: Annotated[bool, Parameter(help="With --apply, keep no recording of what was seen.")] = False,
) -> int:
    """Show what would be done; with --apply, do it (exit code 10: it waits for approval, 11 denied, 12 interlocked).

    The same road for people, cron and agents. Nothing is changed without --apply.
    """
    specs, work = source.floor(hosts)
    who = asking(service)
    asked = _Asked(what, target, _values(set), reason or f"asked for by {who.name}", apply, wait, json, who)
    with recording_for("run", who, apply and not no_record, source.fleet_file()) as seen:
        return asyncio.run(_road(asked, specs, work, timeout, seen))


def myself() -> Who:
    """The account, and the key that this person would approve with: nobody approves a plan of their own by another
    name."""
    key = own_key(signers_file())
    return Who(Party.PERSON, account(), key.fingerprint() if key is not None else "")


def asking(service: str) -> Who:
    """A service asks on behalf of whoever begins it, who is known by the key as well."""
    me = myself()
    return Who(Party.SERVICE, service, me.fingerprint, on_behalf_of=me.name) if service else me


class _Asked:
    """What the command line says."""

    def __init__(
        self,
        what: str,
        target: str,
        given: dict[str, Value],
        reason: str,
        apply: bool,
        wait: float,
        json: bool,
        who: Who,
    ) -> None:
        self.what, self.target, self.given, self.reason = what, target, given, reason
        self.apply, self.wait, self.json, self.who = apply, wait, json, who


async def _road(asked: _Asked, specs: Sequence[Any], work: Any, seconds: float, seen: Seen | None) -> int:
    """What is seen is kept where something is to be done, as `watchfloor watch` does; a dry run only reads."""
    from watchfloor.acting import post  # noqa: PLC0415 - joins all rooms, and acts

    lineage, findings = lineage_place(), findings_file() if asked.apply else None
    if asked.apply:
        _refuse_without_settings(asked)
        work = replace(work, lineage=lineage)
    async with post(specs, work, findings=findings, seen=seen, lineage=lineage) as at:
        code = await _walked(asked, at, seconds)
        if seen is not None:
            await _last_look(at, time.time())
        return code


async def _walked(asked: _Asked, at: Post, seconds: float) -> int:
    known = at.book.run(asked.what)
    if known is None:
        at.playbook(asked.what, asked.given)  # a slip of the finger is told before anything is waited for
    await at.until(settled_with_jobs, seconds)
    if known is not None:
        return await _go_on(asked, at, known.run)
    playbook = at.playbook(asked.what, asked.given)
    targets = _targets(asked, playbook, at.floor.frame())
    untold = _untold(asked, playbook, at.floor.frame())
    if not targets:
        return await _nothing(asked, at, playbook, untold)
    if untold:
        output.remark(f"whether --target asks for more isn't known of {untold}")
    plan = await _planned(asked, at, playbook, targets)
    if not asked.apply:
        return _shown(asked, at, at.harness.weigh(plan))
    return await _applied(asked, at, await at.harness.propose(plan))


async def _last_look(at: Post, over: float) -> None:
    """What was done shows in a frame that was made afterwards: the recording ends with one."""
    with suppress(Exception):  # what became of the run is told by now, whatever the collection broke on
        await at.until(lambda frame: frame.at > over, _LAST_LOOK_SECONDS)


def _refuse_without_settings(asked: _Asked) -> None:
    """Raises ConfigError where what bounds an act can't be read: that nothing is done for that is on record."""
    from watchfloor.acting import settings  # noqa: PLC0415 - as above
    from watchfloor.records.ledger import Ledger  # noqa: PLC0415

    try:
        settings()
    except ConfigError as error:
        with Ledger(ledger_file()) as ledger:
            ledger.append(Note(asked.who, Refused(why="no-settings", text=str(error), what=asked.what)))
        raise


async def _planned(asked: _Asked, at: Post, playbook: Playbook, targets: Sequence[Subject]) -> Plan:
    """Raises CannotPlan, which is on record where something was to be done; NothingToDo, ConfigError."""
    try:
        return at.plan(playbook, targets, asked.who, asked.reason)
    except CannotPlan as error:
        if asked.apply and not isinstance(error, NothingToDo):
            await at.not_planned(playbook, asked.who, error)
        raise


def _targets(asked: _Asked, playbook: Playbook, frame: Frame) -> list[Subject]:
    """Raises QueryError; ConfigError where nothing says on what."""
    if not asked.target:
        raise ConfigError(f"{playbook.name} on what?", f"""--target, a query over {playbook.scope}s: 'node == "n2"'""")
    mask = query.parse(asked.target, playbook.scope).mask(frame)
    return [frame.subject(playbook.scope, row) for row in np.flatnonzero(mask).tolist()]


async def _nothing(asked: _Asked, at: Post, playbook: Playbook, untold: str) -> int:
    """Raises CannotPlan where there may be something that nobody has told of, which is on record likewise."""
    if untold:
        error = CannotPlan(
            f"nothing is known to be what --target asks for; whether it is on other nodes isn't known: {untold}",
            "ask again when they tell, or leave them out: … and node != NAME",
        )
        if asked.apply:
            await at.not_planned(playbook, asked.who, error)
        raise error
    if asked.json:
        output.write_json({"format": FORMAT, "plan": None, "ruling": None, "result": "nothing-to-do"})
    else:
        output.write(f"nothing is what --target asks for: {asked.target}")
    return Exit.NOTHING_TO_DO


def _untold(asked: _Asked, playbook: Playbook, frame: Frame) -> str:
    """The nodes on which there may be a target, and why that isn't known: `h100-01: …; h100-02: …`."""
    why = {**reasons_not_read(frame), **letting_go.by_name(frame)}
    nodes = [frame.node_index[name] for name in why]
    held = may_hold_on(query.parse(asked.target, playbook.scope), frame, nodes)
    names = [frame.specs[node].name for node in held]
    more = f"; and {len(names) - _MOST_NAMED:,} more nodes" if len(names) > _MOST_NAMED else ""
    return "; ".join(f"{name}: {why[name]}" for name in names[:_MOST_NAMED]) + more


def _shown(asked: _Asked, at: Post, decision: Decision) -> int:
    """A dry run: what would be done and what would be said of it."""
    if asked.json:
        output.write_json({"format": FORMAT, **_decision(decision), "result": "dry-run"})
    else:
        output.write(
            f"{plan_text(decision.plan, time.time())}\n\n{_words(decision)}\n\nNothing was changed: --apply does it."
        )
    return {Ruling.DENY: Exit.DENIED, "interlocked": Exit.INTERLOCKED}.get(decision.ruling, Exit.OK)


async def _applied(asked: _Asked, at: Post, decision: Decision) -> int:
    if not asked.json:
        output.write(f"{plan_text(decision.plan, time.time())}\n\n{_words(decision)}")
    wanted = decision.verdict.ruling is Ruling.NEEDS_APPROVAL
    if wanted and not await _answered(at, decision, asked.wait) and not decision.held:
        return _waiting(asked, decision)
    return _told(asked, at, decision.run, await at.harness.carry_out(decision.run, asked.who))


async def _go_on(asked: _Asked, at: Post, run: str) -> int:
    """With a run that was approved meanwhile, or that a console left behind."""
    record = at.book.run(run)
    if not asked.apply:
        assert record is not None
        heard = governance.heard(record, time.time())
        if asked.json:
            output.write_json(document(heard))
        else:
            output.write(run_text(record, _times(), governance.grounds(record, time.time())))
        return Exit.OK
    return _told(asked, at, run, await at.harness.carry_out(run, asked.who))


async def _answered(at: Post, decision: Decision, seconds: float) -> bool:
    """Whether it is settled in this time what becomes of it: it is approved, or can't be any more."""
    until = time.monotonic() + seconds
    while not at.approved(decision.plan) and not at.harness.in_vain(decision.run):
        if time.monotonic() >= until:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


def _waiting(asked: _Asked, decision: Decision) -> int:
    if asked.json:
        output.write_json({"format": FORMAT, **_decision(decision), "result": "waits-for-approval"})
    else:
        output.write(
            f"\nRun {decision.run} waits for approval: `watchfloor approve {decision.run} --reason …`, "
            f"then `watchfloor run {decision.run} --apply` (a running `watchfloor watch` goes on by itself)."
        )
    return Exit.WAITS_FOR_APPROVAL


def _told(asked: _Asked, at: Post, run: str, result: Result) -> int:
    record = at.book.run(run)
    if asked.json:
        told = document(record) if record is not None else {"run": run}
        output.write_json(
            {"format": FORMAT, **told, "result": str(result.outcome), "why": result.why or None, "said": result.text}
        )
    else:
        output.write(f"\nRun {run} {result.outcome}: {result.text}")
    if result.outcome is Outcome.REFUSED:
        return _REFUSALS.get(result.why, Exit.INTERLOCKED)
    return _OUTCOMES[result.outcome]


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "run": decision.run or None,
        "plan_digest": decision.plan.digest,
        "plan": plain(decision.plan),
        "ruling": str(decision.ruling),
        "reasons": list(decision.verdict.reasons),
        "policies": list(decision.verdict.policies),
        "approvals": decision.verdict.approvals,
        "interlocks": dict(decision.held),
    }


def _words(decision: Decision) -> str:
    verdict = decision.verdict
    lines = [f"Verdict: {decision.ruling}" + (f" ({verdict.approvals} wanted)" if verdict.approvals else "")]
    lines += [f"   {reason}" for reason in verdict.reasons]
    lines += [f"   by policy {name}" for name in verdict.policies]
    lines += [f"   held back by {name}: {why}" for name, why in decision.held.items()]
    return "\n".join(lines)


def _values(given: Sequence[str]) -> dict[str, Value]:
    """name=value; numbers and yes/no as such. Raises ConfigError."""
    found: dict[str, Value] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigError(f"{text!r} sets nothing", "name=value, such as watts=500", file="--set")
        found[name] = value_of(value)
    return found


def value_of(text: str) -> Value:
    """As a parameter has it: numbers and yes/no as such."""
    if text in ("true", "false"):
        return text == "true"
    for number in (int, float):
        with suppress(ValueError):
            return number(text)
    return text


def _times() -> Times:
    return Times(time.time(), datetime.now().astimezone().tzinfo or Times(0.0).zone)

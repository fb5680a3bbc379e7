"""The one road by which anything is changed: propose, decide, approve, recheck, act, verify, account.

People, cron and LLM agents all come here, and nothing else calls an action's `apply`. Every step of the way is in the
ledger before the next one is taken; what is refused is there, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256

import msgspec

from agents.action import Scene
from agents.carrying import STOPPED, Leave, Result, World
from agents.desk import Count, Desk
from agents.fingerprint import change
from agents.holding import Holding
from agents.interlocks import Case, held_back
from agents.onrecord import facts_of
from agents.runner import Runner
from watchfloor.change import Outcome, Plan, Ruling, Step, Verdict, plain
from watchfloor.errors import StoreError
from watchfloor.records.ledgerentry import Note, Who
from watchfloor.records.ledgerwords import Body, Decided, JobImpact, Kind, Proposed, Refused
from watchfloor.records.ledgerwords import Outcome as Ended
from watchfloor.runs import INTERLOCKED, RunRecord
from watchfloor.snapshot.plan import plan_text

_FINAL = ("expired", "moved", "denied", "over")  # refusals after which a run is over


@dataclass(frozen=True, slots=True)
class Decision:
    """What was said of a proposed plan."""

    run: str
    plan: Plan
    verdict: Verdict
    held: Mapping[str, str]  # interlock -> why

    @property
    def ruling(self) -> str:
        if self.verdict.ruling is Ruling.DENY:
            return Ruling.DENY
        return INTERLOCKED if self.held else self.verdict.ruling


class Harness:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._holding = Holding(desk.leases, desk.clock, desk.holder, desk.is_dead)

    # -- propose and decide

    def weigh(self, plan: Plan) -> Decision:
        """What policy and interlocks would say; nothing is kept. For dry runs."""
        frame = self._desk.floor.frame()
        return Decision("", plan, self._desk.judge(plan, frame), self._held(plan, None, ""))

    async def propose(self, plan: Plan) -> Decision:
        """Put the plan and what is said of it on record. Raises StoreError."""
        await self._told_of_changes()
        run = self._desk.new_id()
        origin = plan.origin
        await self._note(
            plan.who,
            Proposed(
                reason=origin.reason,
                trigger=origin.trigger,
                playbook=plan.playbook,
                playbook_digest=plan.playbook_digest,
                samples=origin.samples,
                considered=list(origin.considered),
                shown=sha256(plan_text(plan, plan.created).encode()).hexdigest(),
                plan=plain(plan),
            ),
            plan,
            run,
        )
        decision = replace(self.weigh(plan), run=run)
        await self._decided(decision)
        return decision

    async def weigh_anew(self, run: str) -> Decision | None:
        """What is said by now of a proposal that an interlock held back, on record; None where one still holds it back,
        it has begun or is over, or no approval helps any more. Raises StoreError."""
        record, plan = self._known(run)
        if record.ruling != INTERLOCKED or record.begun or record.outcome:
            return None
        decision = replace(self.weigh(plan), run=run)
        if decision.held or self._never(record, plan, decision.verdict):
            return None
        await self._told_of_changes()
        await self._decided(decision, [f"held back until now: {record.held_back}"])
        return decision

    async def _told_of_changes(self) -> None:
        for note in list(self._desk.changes()):
            await self._desk.book.keep(note)

    async def _decided(self, decision: Decision, reasons: Sequence[str] = ()) -> None:
        verdict = decision.verdict
        body = Decided(
            verdict=decision.ruling,
            reasons=[*reasons, *verdict.reasons, *decision.held.values()],
            policies=list(verdict.policies),
            policy_digest=verdict.policy_digest,
            approvals=verdict.approvals,
            interlocks=list(decision.held),
            facts={**facts_of(verdict), **self._desk.grounds()},
        )
        await self._note(decision.plan.who, body, decision.plan, decision.run)

    # -- carry out

    async def carry_out(self, run: str, who: Who) -> Result:
        """Do what may be done: from the beginning, or from where a killed console left it. Raises StoreError."""
        record, plan = self._known(run)
        if record.outcome:
            return _over_before(record)
        await self._told_of_changes()
        with self._holding.all_of(plan, run) as others:
            if others:
                return await self._refuse(record, plan, who, "lease", others)
            record, plan = self._known(run)  # another console may have gone on with it before the leases were ours
            if record.outcome:
                return _over_before(record)
            if why := self._may_not(record, plan):
                return await self._refuse(record, plan, who, *why)
            if not record.begun:
                await self._leave(record, plan)
            return await self._acted(record, plan, who)

    def in_vain(self, run: str) -> bool:
        """Whether no approval that may still come lets a run begin, so that nobody need wait for one: somebody is
        against it or took an approval back, the plan is void or over, policy denies it, everything is stopped."""
        record, plan = self._known(run)
        if record.outcome:
            return True
        verdict = self._desk.judge(plan, self._desk.floor.frame())
        why = self._never(record, plan, verdict) or self._not_approved(record, plan, verdict)
        if why is None or why[0] != "not-approved":
            return why is not None
        return bool(self._count(plan, verdict).withdrawn)

    def _count(self, plan: Plan, verdict: Verdict) -> Count:
        desk = self._desk
        return desk.tally(plan, verdict, desk.book.approvals(plan.digest), desk.clock.now())

    def _known(self, run: str) -> tuple[RunRecord, Plan]:
        record = self._desk.book.run(run)
        if record is None or record.plan is None:
            raise StoreError(f"the ledger has no run {run}", "`watchfloor runs` lists them")
        return record, record.plan

    def _may_not(self, record: RunRecord, plan: Plan) -> tuple[str, str] | None:
        """A word for the ledger and a sentence, where it must not go on."""
        if unread := self.unread(record, plan):
            return "interlocked", f"not heard yet, or not just now: {', '.join(unread)}"
        verdict = self._desk.judge(plan, self._desk.floor.frame())
        if why := self._never(record, plan, verdict):
            return why
        lacking = self._not_approved(record, plan, verdict)
        if lacking is not None and lacking[0] != "not-approved":
            return lacking
        held = self._held(plan, None, record.run) if not record.begun else {}
        return ("interlocked", "; ".join(held.values())) if held else lacking

    def unread(self, record: RunRecord, plan: Plan) -> tuple[str, ...]:
        """What a plan relies on and nobody can tell just now, so that neither it nor policy can be held against it;
        nothing where something else is void for certain, or the run has begun."""
        if record.begun or self._desk.clock.now() >= plan.expires:
            return ()
        found = change(self._desk.floor.frame(), plan.steps, plan.state)
        return () if found.moved else found.unread

    def _never(self, record: RunRecord, plan: Plan, verdict: Verdict) -> tuple[str, str] | None:
        """Why no approval helps: policy denies it, the plan is void, or everything is stopped."""
        desk = self._desk
        now, frame = desk.clock.now(), desk.floor.frame()
        if verdict.ruling is Ruling.DENY:
            return ("denied" if verdict.sound else "no-policy"), _denial(verdict)
        if not record.begun:
            if now >= plan.expires:
                return "expired", "the plan is too old: make a new one"
            if moved := change(frame, plan.steps, plan.state).moved:
                return "moved", f"since the plan was made, {'; '.join(moved)}"
            if stopped := desk.book.stopped():
                return "interlocked", f"everything is stopped: {stopped}"
        return None

    def _not_approved(self, record: RunRecord, plan: Plan, verdict: Verdict) -> tuple[str, str] | None:
        desk = self._desk
        count = self._count(plan, verdict)
        if count.rejected:
            return "rejected", count.text
        if verdict.ruling is not Ruling.NEEDS_APPROVAL:
            return None
        if not record.begun and (others := desk.book.begun(plan.digest)):
            return "over", f"run {others[0]} has begun with the approvals of this plan: they count once"
        approved = count.approved or (record.begun and self._was_approved(record, plan, verdict))
        return None if approved else ("not-approved", count.text)

    def _was_approved(self, record: RunRecord, plan: Plan, verdict: Verdict) -> bool:
        """What was begun with leave is ended when the plan has grown old, unless somebody took theirs back since."""
        entries = self._desk.book.approvals(plan.digest)
        before = [entry for entry in entries if entry.seconds <= record.begun]
        taken_back = any(entry.kind == Kind.WITHDRAWAL for entry in entries if entry.seconds > record.begun)
        return not taken_back and self._desk.tally(plan, verdict, before, record.begun).approved

    async def _leave(self, record: RunRecord, plan: Plan) -> None:
        """Why it may begin is on record before it does."""
        desk = self._desk
        verdict = desk.judge(plan, desk.floor.frame())
        count = self._count(plan, verdict)
        permit = msgspec.structs.replace(verdict, ruling=Ruling.PERMIT)
        await self._decided(Decision(record.run, plan, permit, {}), [f"approvals: {count.text}"] if count.text else [])

    async def _acted(self, record: RunRecord, plan: Plan, who: Who) -> Result:
        lost = asyncio.Event()
        world = World(
            self._desk.actions,
            self._desk.hands,
            self._desk.floor,
            self._desk.clock,
            self._desk.book.keep,
            lambda step: self._recheck(plan, step, record.run, lost),
            lambda: self._holding.lost(plan, record.run, lost),
            self._desk.book.stopped,
            lambda: self._holding.turn(record.run),
            lambda step: self._rebooted(plan, step),
            self._desk.notes,
        )
        runner = Runner(record, plan, who, world)
        renewing = asyncio.create_task(self._holding.renewed(record.run, lost))
        try:
            result = await runner.run()
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
        if result.why != STOPPED:  # that run goes on one day
            await self._over(record, plan, who, result)
        return result

    async def _over(self, record: RunRecord, plan: Plan, who: Who, result: Result) -> None:
        if result.outcome in (Outcome.SUCCEEDED, Outcome.ROLLED_BACK, Outcome.UNVERIFIED):
            for hit in plan.impact.jobs:
                body = JobImpact(job=hit.job, effect=hit.effect, user=hit.user, gpu_hours_lost=hit.gpu_hours_lost)
                await self._note(who, body, plan, record.run)
        await self._note(who, Ended(outcome=str(result.outcome), text=result.text), plan, record.run)

    async def _refuse(self, record: RunRecord, plan: Plan, who: Who, why: str, text: str) -> Result:
        """What wasn't done is on record. A plan that can't be done any more is over; others may be tried again."""
        told = text if text.startswith(why) else f"{why}: {text}"
        await self._note(who, Refused(why=why, text=text), plan, record.run)
        if why not in _FINAL:
            return Result(Outcome.REFUSED, told, why)
        if record.begun:
            told += f"; begun before: {', '.join(key for key, step in record.steps.items() if step.attempts)}"
        outcome = Outcome.ABANDONED if record.begun else Outcome.REFUSED
        await self._note(who, Ended(outcome=str(outcome), text=told), plan, record.run)
        return Result(outcome, told, why)

    # -- what holds it back

    def _scene(self) -> Scene:
        return Scene(self._desk.floor.frame(), self._desk.homes)

    def _held(self, plan: Plan, step: Step | None, run: str) -> dict[str, str]:
        desk, now = self._desk, self._desk.clock.now()
        case = Case(
            plan,
            step,
            desk.floor.frame(),
            now,
            run,
            desk.book.stopped(),
            desk.book.breaker_closed_at(),
            desk.book.happened(now - desk.limits.breaker_seconds),
            desk.leases.all(),
            desk.holder,
            desk.limits,
        )
        return held_back(case, desk.interlocks)

    async def _recheck(self, plan: Plan, step: Step, run: str, lost: asyncio.Event) -> Leave:
        """On the newest frame and by the policy in force, in the instant before the act."""
        await self._told_of_changes()
        verdict = self._desk.judge(plan, self._desk.floor.frame())
        facts = {"ruling": str(verdict.ruling), "policy": verdict.policy_digest, "policies": list(verdict.policies)}
        return Leave(self._against(plan, step, run, verdict, lost), facts)

    def _against(
        self, plan: Plan, step: Step, run: str, verdict: Verdict, lost: asyncio.Event
    ) -> tuple[str, str] | None:
        if why := self._holding.lost(plan, run, lost):
            return "lease", why
        if why := self._taken_back(plan, run, verdict):
            return why
        if held := self._held(plan, step, run):
            return "interlocked", "; ".join(f"{name}: {why}" for name, why in held.items())
        why = self._prechecked(step)
        return ("interlocked", why) if why else None

    def _prechecked(self, step: Step) -> str:
        action = self._desk.actions.get(step.action)
        if action is None:
            return f"there is no action {step.action}"
        try:
            return action.precheck(self._scene(), step)
        except Exception as error:  # what can't be checked is no leave to act
            return f"{step.action} couldn't check itself: {type(error).__name__}: {error}"

    def _taken_back(self, plan: Plan, run: str, verdict: Verdict) -> tuple[str, str] | None:
        """Policy that denies by now, or asks for more; whoever rejects or withdraws: each stops it before its next
        act."""
        if verdict.ruling is Ruling.DENY:
            return "denied", f"denied: {_denial(verdict)}"
        entries = self._desk.book.approvals(plan.digest)
        if verdict.ruling is Ruling.PERMIT and all(entry.kind == Kind.APPROVAL for entry in entries):
            return None
        record, _ = self._known(run)
        why = self._not_approved(record, plan, verdict)
        return (why[0], ": ".join(why)) if why else None

    def _rebooted(self, plan: Plan, step: Step) -> bool:
        frame = self._desk.floor.frame()
        node = frame.node_index.get(step.target.node)
        planned = plan.state.get(f"{step.target.node} boot")
        return node is not None and planned is not None and frame.nodes.text(node, "boot_id") != planned

    async def _note(self, who: Who, body: Body, plan: Plan, run: str) -> None:
        subjects = tuple(dict.fromkeys(f"{step.target.scope}:{step.target}" for step in plan.steps))
        nodes = tuple(dict.fromkeys(f"node:{step.target.node}" for step in plan.steps if step.target.node))
        jobs = tuple(f"job:{hit.job}" for hit in plan.impact.jobs)
        together = tuple(dict.fromkeys((*subjects, *nodes, *jobs)))
        await self._desk.book.keep(Note(who, body, together, run, plan.digest))


def _denial(verdict: Verdict) -> str:
    return "; ".join(verdict.reasons) or "no policy permits it"


def _over_before(record: RunRecord) -> Result:
    """Of a refusal with the word that it was ended with."""
    word = record.text.partition(":")[0]
    return Result(Outcome(record.outcome), f"it is over: {record.text}", word if word in _FINAL else "")

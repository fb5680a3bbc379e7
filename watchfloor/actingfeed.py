"""The feed of a console that acts: what its screens show is the floor that its acts are held against.

Only `watchfloor --act` loads it. What it carries out goes by the harness, on the collectors' loop: no screen waits for
it, and to stop the feed leaves it where it is by then, as a kill would. Must not do: decide anything itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import msgspec
import numpy as np

from watchfloor import query
from watchfloor.acting import Post, post
from watchfloor.change import Origin, Plan, Ruling, Verdict
from watchfloor.commands.approve import signed
from watchfloor.commands.run import myself, value_of
from watchfloor.commands.waiting import settled_with_jobs
from watchfloor.errors import ConfigError
from watchfloor.frame import Frame, answered
from watchfloor.ports import Concern, Put, Remedy, Weighed
from watchfloor.records.ledgerentry import Party, Who
from watchfloor.signing import keygen, keygen_unasked
from watchfloor.sparing import sparing_collector
from watchfloor.wiring import Collection, LiveFeed

_PATIENCE_SECONDS = 60.0
_SETTLE_SECONDS = 20.0  # as `watchfloor run` waits for slow nodes
_UNATTENDED = {
    Ruling.PERMIT: "Asked for by `watch` it is carried out without a person.",
    Ruling.NEEDS_APPROVAL: "Asked for by `watch` it waits for a person.",
    Ruling.DENY: "Asked for by `watch` it is denied.",
}
Answer = TypeVar("Answer")


class ActingFeed(LiveFeed):
    """Implements ports.Feed and ports.Acting."""

    _post: Post | None = None

    async def _collect(self, on_frame: Callable[[Frame], None]) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        collection = Collection(self._specs, self._period, self._findings_file, self._work, self._ledger)
        self._collection, self._findings = collection, collection.findings
        self._runs: set[asyncio.Task[Any]] = set()
        async with post(
            self._specs, self._work, collection=collection, seen=sparing_collector(on_frame, answered)
        ) as at:
            self._post = at
            try:
                await at.running
            finally:
                await self._left()

    async def _left(self) -> None:
        """Runs stop before what they act through is closed."""
        runs = list(self._runs)
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)

    # -- ports.Acting

    def sign(self, run: str, choice: str, reason: str) -> str:
        return signed(choice, run, reason, keygen_unasked)

    def sign_at_prompt(self, run: str, choice: str, reason: str) -> str:
        return signed(choice, run, reason, keygen)

    def weigh(self, remedy: Remedy, concern: Concern) -> Weighed:
        return self._answer(self._ask(lambda at: self._weighed(at, remedy, concern)))

    def propose(self, weighed: Weighed) -> Put:
        return self._answer(self._ask(lambda at: self._proposed(at, weighed)))

    def carry_out(self, run: str) -> Future[str]:
        return self._ask(lambda at: self._carried_out(at, run))

    def _ask(self, question: Callable[[Post], Coroutine[None, None, Answer]]) -> Future[Answer]:
        """On the loop of the collectors. Raises ConfigError where they aren't there."""
        if self._post is None or self._loop is None or self._loop.is_closed():
            raise ConfigError("the collectors are not there yet, or no longer", self.trouble())
        return asyncio.run_coroutine_threadsafe(question(self._post), self._loop)

    @staticmethod
    def _answer(asked: Future[Answer]) -> Answer:
        try:
            return asked.result(_PATIENCE_SECONDS)
        except TimeoutError as error:
            asked.cancel()
            raise ConfigError("no answer for a minute", "see the fleet page for what doesn't answer") from error

    @staticmethod
    async def _weighed(at: Post, remedy: Remedy, concern: Concern) -> Weighed:
        frame = await at.until(settled_with_jobs, _SETTLE_SECONDS)
        playbook = at.playbook(remedy.name, {name: value_of(text) for name, text in remedy.given.items()})
        rows = np.flatnonzero(query.parse(remedy.target, playbook.scope).mask(frame)).tolist()
        targets = [frame.subject(playbook.scope, row) for row in rows]
        who = await asyncio.to_thread(myself)
        plan = at.planned(playbook, targets, who, _origin(concern, frame))
        decision = at.harness.weigh(plan)
        verdict = decision.verdict
        reasons = (*verdict.reasons, *(f"held back by {name}: {why}" for name, why in decision.held.items()))
        unattended = _unattended(at.harness.weigh(_by_watch(plan)).verdict) if playbook.triggers else ""
        return Weighed(decision.plan, str(decision.ruling), reasons, verdict.policies, verdict.approvals, unattended)

    @staticmethod
    async def _proposed(at: Post, weighed: Weighed) -> Put:
        decision = await at.harness.propose(weighed.plan)
        run, ruling = decision.run, str(decision.ruling)
        if ruling == Ruling.PERMIT:
            return Put(run, ruling, f"run {run} may begin")
        if ruling == Ruling.NEEDS_APPROVAL:
            return Put(run, ruling, f"run {run} waits for approval")
        if ruling != Ruling.DENY:  # the cause comes first: the line may be cut
            held = "; ".join(f"{name}: {why}" for name, why in decision.held.items())
            return Put(run, ruling, f"run {run} is held back by {held}")
        reasons = "; ".join((*decision.verdict.reasons, *decision.held.values()))
        return Put(run, ruling, f"run {run} is not to be: {ruling}{': ' if reasons else ''}{reasons}")

    async def _carried_out(self, at: Post, run: str) -> str:
        """As `watchfloor run RUN --apply` does it, by the same person."""
        task = asyncio.current_task()
        assert task is not None
        self._runs.add(task)
        try:
            who = await asyncio.to_thread(myself)
            await at.until(settled_with_jobs, _SETTLE_SECONDS)
            result = await at.harness.carry_out(run, who)
            return f"run {run} {result.outcome}: {result.text}"
        finally:
            self._runs.discard(task)


def _origin(concern: Concern, frame: Frame) -> Origin:
    finding = concern.finding
    if finding is None:
        return Origin(f"asked for at the terminal, of {concern}", subject=str(concern.subject), seen_at=frame.at)
    why = f"{finding.code}: {finding.text}"
    return Origin(why, finding=finding.code, subject=str(finding.subject), seen_at=frame.at)


def _by_watch(plan: Plan) -> Plan:
    return msgspec.structs.replace(plan, who=Who(Party.SERVICE, "watch", on_behalf_of=plan.who.name))


def _unattended(verdict: Verdict) -> str:
    return _UNATTENDED[verdict.ruling]

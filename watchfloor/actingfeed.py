"""The feed of a console that acts: what its screens show is the floor that its acts are held against.

Only `watchfloor --act` loads it. Must not do: carry anything out; it proposes, and signs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

import numpy as np

from watchfloor import query
from watchfloor.acting import Post, post
from watchfloor.change import Origin, Ruling
from watchfloor.commands.approve import signed
from watchfloor.commands.run import myself, value_of
from watchfloor.errors import ConfigError
from watchfloor.frame import Frame
from watchfloor.model import Finding
from watchfloor.ports import Remedy, Weighed
from watchfloor.sparing import sparing_collector
from watchfloor.wiring import Collection, LiveFeed, answered

_PATIENCE_SECONDS = 60.0
Answer = TypeVar("Answer")


class ActingFeed(LiveFeed):
    """Implements ports.Feed and ports.Acting."""

    _post: Post | None = None

    async def _collect(self, on_frame: Callable[[Frame], None]) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        collection = Collection(self._specs, self._period, self._findings_file, self._work)
        self._collection, self._findings = collection, collection.findings
        async with post(
            self._specs, self._work, collection=collection, seen=sparing_collector(on_frame, answered)
        ) as at:
            self._post = at
            await at.running

    # -- ports.Acting

    def sign(self, run: str, choice: str, reason: str) -> str:
        return signed(choice, run, reason)

    def weigh(self, remedy: Remedy, finding: Finding) -> Weighed:
        return self._ask(lambda at: self._weighed(at, remedy, finding))

    def propose(self, weighed: Weighed) -> str:
        return self._ask(lambda at: self._proposed(at, weighed))

    def _ask(self, question: Callable[[Post], Coroutine[None, None, Answer]]) -> Answer:
        """On the loop of the collectors. Raises ConfigError where they aren't there."""
        if self._post is None or self._loop is None or self._loop.is_closed():
            raise ConfigError("the collectors are not there yet, or no longer", self.trouble())
        asked = asyncio.run_coroutine_threadsafe(question(self._post), self._loop)
        try:
            return asked.result(_PATIENCE_SECONDS)
        except TimeoutError as error:
            asked.cancel()
            raise ConfigError("no answer for a minute", "see the fleet page for what doesn't answer") from error

    @staticmethod
    async def _weighed(at: Post, remedy: Remedy, finding: Finding) -> Weighed:
        frame = await at.until(lambda _: True, _PATIENCE_SECONDS)
        playbook = at.playbook(remedy.name, {name: value_of(text) for name, text in remedy.given.items()})
        rows = np.flatnonzero(query.parse(remedy.target, playbook.scope).mask(frame)).tolist()
        why = f"{finding.code}: {finding.text}"
        origin = Origin(why, finding=finding.code, subject=str(finding.subject), seen_at=frame.at)
        targets = [frame.subject(playbook.scope, row) for row in rows]
        decision = at.harness.weigh(at.planned(playbook, targets, myself(), origin))
        verdict = decision.verdict
        reasons = (*verdict.reasons, *(f"held back by {name}: {why}" for name, why in decision.held.items()))
        return Weighed(decision.plan, str(decision.ruling), reasons, verdict.policies, verdict.approvals)

    @staticmethod
    async def _proposed(at: Post, weighed: Weighed) -> str:
        decision = await at.harness.propose(weighed.plan)
        if decision.ruling == Ruling.PERMIT:
            return f"run {decision.run} may begin: `watchfloor run {decision.run} --apply` carries it out"
        if decision.ruling == Ruling.NEEDS_APPROVAL:
            return f"run {decision.run} waits for approval"
        reasons = "; ".join((*decision.verdict.reasons, *decision.held.values()))
        return f"run {decision.run} is not to be: {decision.ruling}{': ' if reasons else ''}{reasons}"

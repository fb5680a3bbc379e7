"""Calls of APIs, each sent once: an intent on the console's disk before, what came of it after.

The other side is told the operation's id (Idempotency-Key), so that it may do the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Awaitable, Callable

import msgspec

from collectors.acting.http import Answer
from collectors.acting.notes import Notes
from collectors.acting.told import not_known
from collectors.hands.shelf import DONE, UNHEARD
from watchfloor.change import Done, Request
from watchfloor.errors import HandsError

Send = Callable[[Request, dict[str, str]], Awaitable[Answer]]
_KEY = "Idempotency-Key"
_NOBODY_KNOWS = "it was begun before, and nobody noted how it ended"


class Requests:
    """Everything raises HandsError as ports.Hands says."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    async def do(self, request: Request, operation: str, send: Send) -> Done:
        lock = await self._notes.begin(operation, {"deed": _digest(request), "at": time.time()})
        if lock is None:
            return await self._again(request, operation)
        try:
            return await self._first(request, operation, send)
        finally:
            os.close(lock)

    async def _first(self, request: Request, operation: str, send: Send) -> Done:
        began = time.monotonic()
        try:
            answer = await send(request, {_KEY: operation})
        except HandsError:
            await self._notes.withdraw(operation)
            raise
        done = _done(answer, operation, time.monotonic() - began)
        await self._notes.finish(operation, msgspec.to_builtins(done))
        return done

    async def _again(self, request: Request, operation: str) -> Done:
        _, intent, _ = await self._notes.recall(operation)
        if intent is not None and intent.get("deed") != _digest(request):
            raise HandsError(f"the operation {operation} is another deed: nothing was sent")
        known = await self.recall(operation)
        return not_known(_NOBODY_KNOWS, operation) if known is None else known

    async def recall(self, operation: str) -> Done | None:
        state, _, result = await self._notes.recall(operation)
        if state == UNHEARD:
            return None
        return msgspec.convert(result, Done) if state == DONE else not_known(_NOBODY_KNOWS, operation)

    async def look(self, request: Request, send: Send) -> Done:
        began = time.monotonic()
        answer = await send(request, {})
        if answer.status is None:
            raise HandsError(f"{request.place}: {answer.text}", transient=True)
        return _done(answer, "", time.monotonic() - began)


def _done(answer: Answer, operation: str, seconds: float) -> Done:
    """A redirect is no success: nobody followed it."""
    if answer.status is None:
        return Done(None, stderr=answer.text, seconds=seconds, operation=operation)
    code = 0 if answer.status < 300 else answer.status
    words = f"HTTP {answer.status}" if code else ""
    return Done(code, answer.text, words, round(seconds, 3), operation, answer.transient)


def _digest(request: Request) -> str:
    deed = [request.method, request.path, request.body, request.content_type]
    return hashlib.sha256(json.dumps(deed, sort_keys=True).encode()).hexdigest()

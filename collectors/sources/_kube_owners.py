"""Who owns the owners: ReplicaSets' Deployments, RayClusters' RayJobs, asked for one by one and remembered.

Only the metadata is fetched. An owner that may not be read counts as the outermost one. Must not do: ask twice, or
hurry.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar
from urllib.parse import quote

import msgspec

from collectors.pace import Pace
from collectors.sources._kube_client import Absent, Api, Gone
from collectors.sources._kube_objects import Meta, OnlyMeta, Owner, decode
from watchfloor.errors import ConnectError
from watchfloor.model import Problem
from watchfloor.ports import Clock

MOST = 20_000  # remembered
_A_SECOND = 20.0
_AT_ONCE = 10
_LEVELS = 8

Kept = TypeVar("Kept")


class Owners:
    def __init__(self, api: Api, clock: Clock) -> None:
        self.above: dict[str, Owner | None] = {}  # uid -> its owner
        self.unread: dict[str, None] = {}  # those that may not be read, or are gone
        self._api = api
        self._pace = Pace(_A_SECOND, _AT_ONCE, clock)

    async def look_up(self, wanted: Iterable[tuple[str, Owner]]) -> bool:
        """Learn the owners above these (namespace, owner), up to the outermost. Whether anything was learned.

        Raises ConnectError where the server is in trouble: what was learned so far is kept.
        """
        before = len(self.above) + len(self.unread)
        for namespace, owner in wanted:
            at: Owner | None = owner
            for _ in range(_LEVELS):
                if at is None or at.uid in self.unread:
                    break
                if at.uid not in self.above:
                    await self._learn(namespace, at)
                at = self.above.get(at.uid)
        return len(self.above) + len(self.unread) != before

    def knows(self, owner: Owner) -> bool:
        return owner.uid in self.above or owner.uid in self.unread

    async def _learn(self, namespace: str, owner: Owner) -> None:
        await self._pace.turn()
        try:
            body = await self._api.get(path_of(namespace, owner), only_meta=True)
            _bounded(self.above)[owner.uid] = _same(decode(body, OnlyMeta).metadata, owner)
        except ConnectError as error:
            if error.problem is not Problem.AUTHENTICATION:
                raise
            _bounded(self.unread)[owner.uid] = None
        except (Gone, Absent, msgspec.DecodeError):
            _bounded(self.unread)[owner.uid] = None


def _bounded(known: dict[str, Kept]) -> dict[str, Kept]:
    if len(known) >= MOST:
        del known[next(iter(known))]
    return known


def _same(meta: Meta, owner: Owner) -> Owner | None:
    """Another object of the same name, made since, tells nothing."""
    return meta.owner if meta.uid in ("", owner.uid) else None


def path_of(namespace: str, owner: Owner) -> str:
    """Where an owner is read. The plural is that of English, which holds for all kinds that own pods so far.

    Whoever may make pods writes what owns them: raises Absent for names that would lead elsewhere.
    """
    kind = owner.kind.lower()
    if kind.endswith(("s", "x", "ch", "sh")):
        plural = f"{kind}es"
    elif kind.endswith("y") and kind[-2:-1] not in tuple("aeiou"):
        plural = f"{kind[:-1]}ies"
    else:
        plural = f"{kind}s"
    group, slash, version = owner.api_version.rpartition("/")
    parts = [*(("apis", group) if slash else ("api",)), version, "namespaces", namespace, plural, owner.name]
    if {"", ".", ".."} & set(parts):
        raise Absent(f"an owner by the name of {owner.api_version} {owner.name}")
    return "".join(f"/{quote(part, safe='')}" for part in parts)

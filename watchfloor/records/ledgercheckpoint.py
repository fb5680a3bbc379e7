"""What is signed of a ledger, and what is told elsewhere of it: which ledger, how many entries, the root of its tree.

The text that is signed has the form of transparency logs' checkpoints (C2SP tlog-checkpoint): origin, size and root in
base64, a line each. An anchor is one line that any log may hold:

    watchfloor-anchor {"origin":"…","root":"…","signature":"…","size":1234,"time":"…"}
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from watchfloor.records.ledgerjson import canonical

NAMESPACE = "watchfloor-checkpoint"
MARK = "watchfloor-anchor "


def checkpoint_begins() -> bytes:
    """How the bytes of a checkpoint begin, and of no other entry: its body has nothing before the origin."""
    return b'{"entry":{"body":{"origin":"watchfloor-ledger/'


def origin_of(first: str) -> str:
    """The name of a ledger, by the hash of its first entry: no other ledger has it."""
    return f"watchfloor-ledger/{first[:32]}"


@dataclass(frozen=True, slots=True)
class State:
    """How far a ledger goes. `root` in hex."""

    origin: str
    size: int
    root: str

    def text(self) -> bytes:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(bytes.fromhex(self.root)).decode()}\n".encode()


@dataclass(frozen=True, slots=True)
class Anchor:
    """A state that is kept where whoever can write the ledger can't. `where`: file and line it was read from."""

    state: State
    time: str = ""
    signature: str = ""
    where: str = ""

    def line(self, with_signature: bool = True) -> str:
        facts = {"origin": self.state.origin, "root": self.state.root, "size": self.state.size, "time": self.time}
        if self.signature and with_signature:
            facts["signature"] = self.signature
        return MARK + canonical(facts).decode()


def anchors_in(lines: Iterable[str], where: str) -> Iterator[Anchor]:
    """The anchors that a file holds, whatever else is in its lines. Raises ValueError for one that is broken."""
    for number, line in enumerate(lines, 1):
        _, mark, rest = line.partition(MARK)
        if not mark:
            continue
        yield _anchor(rest, f"{where}:{number}")


def _anchor(text: str, where: str) -> Anchor:
    """Raises ValueError."""
    try:
        facts, _ = json.JSONDecoder().raw_decode(text)
        state = State(str(facts["origin"]), int(facts["size"]), str(facts["root"]))
        if state.size < 1 or len(bytes.fromhex(state.root)) != 32:
            raise ValueError("no size, or no root")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{where} holds an anchor that can't be read") from error
    return Anchor(state, str(facts.get("time", "")), str(facts.get("signature", "")), where)

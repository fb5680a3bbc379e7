"""Merkle trees as RFC 6962 hashes them: roots, proofs that an entry is in a tree, proofs that a tree only grew. Pure.

Hashes are 32 bytes. Must not do: know where the entries are, or what is in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()  # the root of a tree without leaves
SIZE = 32  # bytes of a hash


def leaf(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that grows at its right end: what has to be known to add leaves, and no more.

    `peaks` are the roots of the full subtrees of which it consists, the largest first: one a bit of `size`.
    """

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        levels = [level for level in range(size.bit_length()) if size >> level & 1]
        if len(levels) != len(peaks) or any(len(peak) != SIZE for peak in peaks):
            raise ValueError(f"{len(peaks)} peaks are not those of {size} leaves")
        self.size = size
        self._by_level = dict(zip(reversed(levels), peaks, strict=True))

    @property
    def peaks(self) -> list[bytes]:
        return [self._by_level[level] for level in sorted(self._by_level, reverse=True)]

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add the hashes of leaves: level by level, since that is what Python does fastest."""
        self.size += len(leaves)
        rising, level = list(leaves), 0
        while rising:
            if level in self._by_level:
                rising.insert(0, self._by_level.pop(level))
            if len(rising) % 2:
                self._by_level[level] = rising.pop()
            rising = [
                sha256(b"\x01" + left + right).digest() for left, right in zip(rising[::2], rising[1::2], strict=True)
            ]
            level += 1

    @property
    def root(self) -> bytes:
        if not self._by_level:
            return EMPTY
        *larger, root = self.peaks
        for peak in reversed(larger):
            root = node(peak, root)
        return root


def root(leaves: Sequence[bytes]) -> bytes:
    tree = Frontier()
    tree.extend(leaves)
    return tree.root


# -- proofs, made of the hashes of all leaves


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """That the leaf `index` is in the tree of these: the siblings on its way up, the lowest first (RFC 6962, 2.1.1)."""
    if not 0 <= index < len(leaves):
        raise ValueError(f"there is no leaf {index} in a tree of {len(leaves)}")
    if len(leaves) == 1:
        return []
    left = _largest_power_below(len(leaves))
    if index < left:
        return [*inclusion_proof(leaves[:left], index), root(leaves[left:])]
    return [*inclusion_proof(leaves[left:], index - left), root(leaves[:left])]


class Levels:
    """All nodes of a tree, level by level: for who wants many proofs of one tree, as `inclusion_proof` gives them."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = [list(leaves)]
        while len(below := self._levels[-1]) > 1:
            odd = below[-1:] if len(below) % 2 else []
            self._levels.append([*map(node, below[::2], below[1::2]), *odd])

    @property
    def root(self) -> bytes:
        return self._levels[-1][0] if self._levels[-1] else EMPTY

    def proof(self, index: int) -> list[bytes]:
        """Raises ValueError where there is no such leaf."""
        if not 0 <= index < len(self._levels[0]):
            raise ValueError(f"there is no leaf {index} in a tree of {len(self._levels[0])}")
        places = ((level, index >> depth ^ 1) for depth, level in enumerate(self._levels[:-1]))
        return [level[place] for level, place in places if place < len(level)]


def consistency_proof(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """That the tree of these begins with the tree of the first `size` (RFC 6962, 2.1.2)."""
    if not 0 < size <= len(leaves):
        raise ValueError(f"{size} leaves are not the beginning of {len(leaves)}")
    return _subproof(leaves, size, True)


def _subproof(leaves: Sequence[bytes], size: int, whole: bool) -> list[bytes]:
    if size == len(leaves):
        return [] if whole else [root(leaves)]
    left = _largest_power_below(len(leaves))
    if size <= left:
        return [*_subproof(leaves[:left], size, whole), root(leaves[left:])]
    return [*_subproof(leaves[left:], size - left, False), root(leaves[:left])]


def _largest_power_below(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


# -- proofs, checked by who has nothing but roots (RFC 9162, 2.1.3.2 and 2.1.4.2)


def included(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], of_root: bytes) -> bool:
    """Whether the proof shows the leaf at `index` of the tree of `size` leaves with this root."""
    if not 0 <= index < size or not _hashes(proof):
        return False
    at, last, reached = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            reached = node(sibling, reached)
            at, last = _after_zeros(at, last)
        else:
            reached = node(reached, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and reached == of_root


def consistent(size: int, of_root: bytes, later_size: int, later_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the later tree begins with the earlier one: nothing changed, nothing went."""
    if not 0 < size <= later_size or not _hashes(proof):
        return False
    if size == later_size:
        return not proof and of_root == later_root
    hashes = [of_root, *proof] if size & (size - 1) == 0 else list(proof)
    return bool(hashes) and _joined(size - 1, later_size - 1, iter(hashes)) == (of_root, later_root)


def _joined(at: int, last: int, hashes: Iterator[bytes]) -> tuple[bytes, bytes] | None:
    while at & 1:
        at, last = at >> 1, last >> 1
    earlier = later = next(hashes)
    for sibling in hashes:
        if last == 0:
            return None
        if at & 1 or at == last:
            earlier, later = node(sibling, earlier), node(sibling, later)
            at, last = _after_zeros(at, last)
        else:
            later = node(later, sibling)
        at, last = at >> 1, last >> 1
    return (earlier, later) if last == 0 else None


def _after_zeros(at: int, last: int) -> tuple[int, int]:
    """Levels at which the leaf's subtree has no sibling are skipped."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _hashes(proof: Sequence[bytes]) -> bool:
    return all(len(part) == SIZE for part in proof)

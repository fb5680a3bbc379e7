"""Merkle trees: known roots and proofs, whatever is wrong with a proof, and RFC 6962's own recursion beside ours."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.records.ledgermerkle import (
    EMPTY,
    Frontier,
    Levels,
    consistency_proof,
    consistent,
    included,
    inclusion_proof,
    leaf,
    root,
)

# the tree that implementations of Certificate Transparency are tested with: entries, and the root of the first n
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf(entry) for entry in ENTRIES]
# of the same tree: the first entry of all eight (transparency-dev/merkle, testdata/inclusion/1)
PROOF_OF_FIRST = [
    b64decode("lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c="),
    b64decode("Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4="),
    b64decode("a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ="),
]


# -- RFC 6962, 2.1, word for word: MTH, PATH and PROOF over the entries themselves


def mth(entries: list[bytes]) -> bytes:
    if not entries:
        return sha256().digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = split(len(entries))
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: list[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def subproof(m: int, entries: list[bytes], complete: bool) -> list[bytes]:
    if m == len(entries):
        return [] if complete else [mth(entries)]
    k = split(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], complete), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], False), mth(entries[:k])]


def split(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


# --


@pytest.mark.parametrize("size", range(9))
def test_known_roots(size: int) -> None:
    assert root(LEAVES[:size]).hex() == ROOTS[size] == mth(ENTRIES[:size]).hex()
    assert (size > 0) or EMPTY.hex() == ROOTS[0]


def test_a_known_proof() -> None:
    assert inclusion_proof(LEAVES, 0) == PROOF_OF_FIRST
    assert included(LEAVES[0], 0, 8, PROOF_OF_FIRST, bytes.fromhex(ROOTS[8]))


@given(st.integers(0, 200), st.lists(st.integers(1, 40)))
def test_a_tree_that_grew_in_steps_is_the_same_tree(start: int, steps: list[int]) -> None:
    entries = [b"%d" % at for at in range(start + sum(steps))]
    hashes = [leaf(entry) for entry in entries]
    tree = Frontier()
    tree.extend(hashes[:start])
    for step in steps:
        tree = Frontier(tree.size, tree.peaks)  # as it is read from a file
        tree.extend(hashes[tree.size : tree.size + step])
    assert tree.root == mth(entries)


@pytest.mark.parametrize(("size", "peaks"), [(0, [EMPTY]), (3, [EMPTY]), (4, [EMPTY, EMPTY]), (1, [b"short"])])
def test_peaks_that_are_not_those_of_a_size_are_refused(size: int, peaks: list[bytes]) -> None:
    with pytest.raises(ValueError):
        Frontier(size, peaks)


def test_every_proof_of_small_trees_is_that_of_the_rfc_and_holds() -> None:
    for size in range(1, 34):
        entries = [b"%d" % at for at in range(size)]
        hashes, top = [leaf(entry) for entry in entries], mth(entries)
        for at in range(size):
            proof = inclusion_proof(hashes, at)
            assert Levels(hashes).proof(at) == proof
            assert proof == path(at, entries)
            assert included(hashes[at], at, size, proof, top)
            begun = consistency_proof(hashes, at + 1)
            assert begun == subproof(at + 1, entries, True)
            assert consistent(at + 1, mth(entries[: at + 1]), size, top, begun)


def wrong(proof: list[bytes], top: bytes) -> list[list[bytes]]:
    """What can be wrong with the hashes of a proof."""
    flipped = [[*proof[:at], bytes([part[0] ^ 8]) + part[1:], *proof[at + 1 :]] for at, part in enumerate(proof)]
    swapped = [proof[::-1]] if proof[::-1] != proof else []
    cut = [proof[1:], proof[:-1]] if proof else []
    more = [[*proof, b""], [*proof, EMPTY], [*proof, top], [EMPTY, *proof], [top, *proof]]
    return [*flipped, *swapped, *cut, *more]


@given(st.integers(1, 70), st.data())
def test_whatever_is_wrong_with_a_proof_of_inclusion_is_refused(size: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, size - 1))
    hashes = [leaf(b"%d" % each) for each in range(size)]
    top, proof = root(hashes), inclusion_proof(hashes, at)
    assert included(hashes[at], at, size, proof, top)
    for bad in wrong(proof, top):
        assert not included(hashes[at], at, size, bad, top)
    assert not included(leaf(b"another"), at, size, proof, top)
    assert not included(hashes[at], at, size, proof, EMPTY)
    for other in (-1, at - 1, at + 1, at ^ 2, size, size + at):
        if other != at:
            assert not included(hashes[at], other, size, proof, top)
    for other in (0, -1, at):
        assert not included(hashes[at], at, other, proof, top)


@given(st.integers(1, 70), st.data())
def test_whatever_is_wrong_with_a_proof_of_growth_is_refused(size: int, data: st.DataObject) -> None:
    begun = data.draw(st.integers(1, size))
    hashes = [leaf(b"%d" % each) for each in range(size)]
    early, top, proof = root(hashes[:begun]), root(hashes), consistency_proof(hashes, begun)
    assert consistent(begun, early, size, top, proof)
    for bad in wrong(proof, top):
        assert not consistent(begun, early, size, top, bad)
    assert not consistent(begun, EMPTY, size, top, proof)
    assert not consistent(begun, early, size, EMPTY, proof)
    assert not consistent(0, EMPTY, size, top, [])
    assert not consistent(size + 1, top, size, top, [])
    if begun != size:
        assert not consistent(begun, top, size, early, proof)
        assert not consistent(begun, early, size, top, [])


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_proof_of_what_is_not_there(index: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(LEAVES[:3], index)
    with pytest.raises(ValueError, match="no leaf"):
        Levels(LEAVES[:3]).proof(index)
    with pytest.raises(ValueError, match="not the beginning"):
        consistency_proof(LEAVES[:3], index + 1 if index > 0 else 0)

"""Which board is at the other end of each scale-up link of a simulated node. Pure."""

from __future__ import annotations

from collectors.simulator.hardware import Shape

_GAUDI_LINKS_A_PEER = 3  # of 24 ports of a card, 21 lead to the seven others, three leave the node
_TORUS_WIDTH = {"google": 2, "aws": 4}


def peer(shape: Shape, index: int, link: int) -> int | None:
    """The board that a link of board `index` leads to; None where it leads to a switch or out of the node."""
    others = [board for board in range(shape.boards) if board != index]
    if shape.vendor in ("amd", "intel"):  # each with each
        links = shape.board.links if shape.board else 0
        return others[link // max(1, links // len(others))] if link < links // len(others) * len(others) else None
    if shape.vendor == "habana":
        return others[link // _GAUDI_LINKS_A_PEER] if link < _GAUDI_LINKS_A_PEER * len(others) else None
    if shape.vendor in _TORUS_WIDTH:
        return _in_torus(shape, index, link)
    return None


def _in_torus(shape: Shape, index: int, link: int) -> int | None:
    """Links in the order +x -x +y -y (+z -z). A host of TPUs is a corner of a larger torus: half of its links leave."""
    width = _TORUS_WIDTH[shape.vendor]
    axis, step = divmod(link, 2)
    if axis > 1:
        return None
    place = [index % width, index // width]
    at = place[axis] + (1 if step == 0 else -1)
    if shape.vendor == "google" and not 0 <= at < width:
        return None
    place[axis] = at % width
    return place[0] + width * place[1]


def other_end(shape: Shape, index: int, link: int) -> tuple[int, int] | None:
    """(board, link) at the other end of a link; None where `peer` knows none. Links of two boards pair in order."""
    far = peer(shape, index, link)
    if far is None or shape.board is None:
        return None
    links = range(shape.board.links)
    mine = [number for number in links if peer(shape, index, number) == far]
    theirs = [number for number in links if peer(shape, far, number) == index]
    return far, theirs[mine.index(link)]

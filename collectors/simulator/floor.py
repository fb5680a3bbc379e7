"""The floor plan of the demo: which nodes stand where, and which jobs have which places. Pure, from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from collectors.simulator.hardware import SHAPES, Shape
from collectors.simulator.work import KINDS, Job, Slot

# What the first nodes are, so that a small demo shows much and a large one looks like a real floor; then over again.
_ORDER = """
    h100 h100 l40s a100 mi300x h100 h100 tpu login gaudi3 trn2 b200 b200 gb200 gb200 mi300x rtx
    h100 h100 tpu b200 b200 gb200 gb200 a100 mi300x gaudi3 trn2 h100 h100 l40s max1550
"""
_RACK_ROWS = {
    "h100": "A", "b200": "B", "gb200": "C", "a100": "D", "l40s": "E", "rtx": "F", "login": "F", "mi300x": "G",
    "tpu": "H", "trn2": "J", "gaudi3": "K", "max1550": "L",
}  # fmt: skip
_NODES_PER_JOB = 4
_TRAINING = {"google": "maxtext", "aws": "neuronx", "habana": "optimum"}  # vendors whose programs are none of CUDA's


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One simulated node. `inlet` is the air that its rack gives it (°C), `skew` its clock minus the true one (s)."""

    index: int
    name: str
    shape: Shape
    rack: str
    inlet: float
    skew: float


@dataclass(frozen=True)
class Floor:
    """Nodes and the places of jobs."""

    seed: int
    nodes: Sequence[NodePlan]
    slots: Sequence[Slot]
    taken: set[int] = field(default_factory=set)  # nodes that an incident already has

    def jobs_on(self, node: int, t: float) -> list[Job]:
        jobs = (slot.job(t) for slot in self.slots if node in slot.nodes)
        return [job for job in jobs if job is not None]

    def slots_on(self, node: int) -> list[Slot]:
        return [slot for slot in self.slots if node in slot.nodes]

    def pick(self, suits: Callable[[NodePlan], bool]) -> NodePlan | None:
        """A node for an incident: one that suits and has none yet; shared where the floor is small; None where none."""
        suiting = [plan for plan in self.nodes if suits(plan)]
        free = [plan for plan in suiting if plan.index not in self.taken] or suiting
        if not free:
            return None
        chosen = free[random.Random(self.seed * 31 + len(self.taken)).randrange(len(free))]
        self.taken.add(chosen.index)
        return chosen

    def works(self, node: int, kind: str) -> bool:
        """A node on which jobs of a kind run."""
        return any(slot.kind.name == kind for slot in self.slots_on(node))


def plan_floor(nodes: int, seed: int) -> Floor:
    """A floor of this many nodes, ordered by rack."""
    order = _ORDER.split()
    names = sorted((order[index % len(order)] for index in range(nodes)), key=list(SHAPES).index)
    rng = random.Random(seed)
    untimed = {rng.randrange(nodes) for _ in range(nodes // 24)}  # their NTP is broken
    inlets: dict[str, float] = {}
    plans, count = [], dict.fromkeys(SHAPES, 0)
    for index, name in enumerate(names):
        rack = f"{_RACK_ROWS[name]}{count[name] // SHAPES[name].nodes_per_rack + 1:02d}"
        count[name] += 1
        inlet = inlets.setdefault(rack, rng.uniform(20.5, 26.0)) + rng.uniform(-0.4, 0.4)
        skew = rng.uniform(1.5, 4.0) if index in untimed else rng.gauss(0, 0.002)
        plan = NodePlan(index, f"{name}-{count[name]:02d}", SHAPES[name], rack, inlet, skew)
        plans.append(plan)
    return Floor(seed, plans, _slots(plans))


def _slots(plans: Sequence[NodePlan]) -> list[Slot]:
    slots: list[Slot] = []
    for shape in SHAPES.values():
        nodes = [plan.index for plan in plans if plan.shape is shape]
        for chunk in (nodes[at : at + _NODES_PER_JOB] for at in range(0, len(nodes), _NODES_PER_JOB)):
            for kind, where, boards in _layout(shape, chunk):
                slots.append(Slot(len(slots), KINDS[kind], tuple(where), tuple(boards)))
    return slots


def _layout(shape: Shape, nodes: list[int]) -> list[tuple[str, list[int], range]]:
    """How a rack's worth of nodes is shared out: (kind of work, nodes, boards)."""
    whole = range(shape.boards)
    if shape.name == "login":
        return []
    if shape.name == "rtx":
        return [("finetune", nodes, range(1))]
    if shape.name == "l40s":
        return [("inference", [node], range(board, board + 1)) for node in nodes for board in whole]
    if shape.name == "mi300x" and len(nodes) > 1:  # one of them serves
        return [("pretrain", nodes[:-1], whole), ("inference", nodes[-1:], range(4)),
                ("inference", nodes[-1:], range(4, 8))]  # fmt: skip
    if shape.name == "a100":
        halves = [("finetune", [node], range(half, half + 4)) for node in nodes for half in (0, 4)]
        return halves[:-1]  # the last half is free
    return [(_TRAINING.get(shape.vendor, "pretrain"), nodes, whole)]

"""Services of a node that failed, or start again and again: each is to be started anew, and no other.

Those whose end ends what computes are a matter of their own: one that has to wait for a node without jobs must not hold
up the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from watchfloor.change import Value
from watchfloor.model import Missing
from watchfloor.playbook import Matter, Wish

OPTIONS: Mapping[str, Value] = {"of_fabric": False}  # those alone that carry what computes across boards, or all others
_OF_FABRIC = ("unit_fabricmanager", "unit_imex")
_UNITS = {  # metric -> unit; those that others need come first
    "unit_munge": "munge",
    "unit_persistenced": "nvidia-persistenced",
    "unit_fabricmanager": "nvidia-fabricmanager",
    "unit_imex": "nvidia-imex",
    "unit_dcgm": "nvidia-dcgm",
    "unit_slurmd": "slurmd",
    "unit_kubelet": "kubelet",
}
_ILL = ("failed", "restarting")


def plan(matter: Matter) -> Sequence[Wish]:
    frame, found = matter.frame, list[Wish]()
    for target in matter.targets:
        node = frame.node_index.get(target.node)
        if node is None:
            continue
        for metric, unit in _UNITS.items():
            if (metric in _OF_FABRIC) != bool(matter.options["of_fabric"]):
                continue
            cell = frame.nodes.cell(node, metric)
            if cell.missing is Missing.NO and str(cell.value or "").startswith(_ILL):
                found.append(Wish("restart_service", target, {"unit": unit}, f"{unit} of {target} is {cell.value}"))
    return found

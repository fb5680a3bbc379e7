"""Xe Links between Intel's cards, of which xpu-smi alone tells. How it is asked stands in `xpu_fabric`, compiled only
where there are several cards and the tool.
"""

from .cells import Absent, Reading
from .xpu import devices

BOARD = "links_up links_max link_rx link_tx".split()
LINK = "name kind medium accelerator peer phys up width width_max rx tx".split()


class Sampler:
    period, deadline = 10.0, 60.0
    metrics = {"accelerator": BOARD, "link": LINK}
    owns = ("link",)
    lasting = ("name", "kind", "medium", "accelerator", "peer", "phys", "width_max", "links_max")
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        _look(world)
        from .xpu_fabric import Fabric  # noqa: PLC0415

        self._world = world
        self._fabric = Fabric(world)

    def sample(self) -> Reading:
        _look(self._world)
        return self._fabric.sample()


def _look(world) -> None:
    """Raises Absent where there can be no Xe Link, or nobody tells of them."""
    if len(devices(world)) < 2:
        raise Absent("one graphics card of Intel: Xe Links join several")
    if world.which("xpu-smi") is None:
        raise Absent("xpu-smi is not installed (looked in PATH)")

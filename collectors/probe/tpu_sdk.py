"""What libtpu's monitoring library tells of TPU chips, and its service doesn't: ICI links, throttling, tensor cores.

How it is asked stands in `tpu_library`, compiled only where there may be TPUs.
"""

from .cells import Absent, Reading
from .tpu import GOOGLE

_ACCELERATOR = "runtime tensor_active throttled links_up links_max".split()
_LINK = "name kind accelerator up phys ici.health".split()


class Sampler:
    period, deadline = 30.0, 40.0
    metrics = {"accelerator": _ACCELERATOR, "link": _LINK}
    owns = ("link",)
    lasting = ("runtime", "name", "kind", "accelerator")
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        if not any(device.vendor == GOOGLE for device in world.pci()):
            raise Absent("no TPU of Google (vendor 1ae0) on the PCI bus")
        from .tpu_library import Library  # noqa: PLC0415 - costs its compilation

        self._library = Library(world)

    def sample(self) -> Reading:
        return self._library.sample()

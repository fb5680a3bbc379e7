"""The network ports of Gaudi cards as links: `gaudi_nics` reads them, compiled only where there are such cards."""

from .cells import Reading
from .gaudi import addresses

IDENTITY = "name kind accelerator peer".split()
LIVE = "up phys speed rx tx rx_errors fec_errors resets".split()


class Sampler:
    """Apart from `gaudi`: each counter is a question to the card's firmware, a tenth of a second long."""

    period, deadline = 5.0, 45.0
    metrics = {"link": IDENTITY + LIVE, "accelerator": ["links_up", "links_max", "link_rx", "link_tx"]}
    owns = ("link",)
    lasting = (*IDENTITY, "links_max")
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        addresses(world)
        from .gaudi_nics import Nics  # noqa: PLC0415

        self._nics = Nics(world)

    def sample(self) -> Reading:
        return self._nics.sample()

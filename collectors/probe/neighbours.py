"""What is at the other end of ports: LLDP where its daemon runs, a packet to the next switch on InfiniBand.

Asked seldom, a port a sample: cables are seldom moved. Adds to the links of ethernet.py and infiniband.py, and gives
what both ends of an InfiniBand link can. Needs lldpctl, or smpquery and the right to send management packets.
"""

from .cells import FAILED_CODE, NOT_PERMITTED_CODE, NOT_YET_CODE, UNSUPPORTED, Absent, Missing, Reading
from .infiniband import ports
from .sysfs import attribute

_IB = "/sys/class/infiniband/"
_ASK_EVERY = 120  # samples: after ten minutes everything is asked anew
_SECONDS = 5.0
_CELLS = ("peer", "switch", "speed_max", "width_max")
_ITS_TURN = Missing(NOT_YET_CODE, "the switch is asked for one port every five seconds")


class Sampler:
    period, deadline = 5.0, 60.0
    metrics = {"link": _CELLS}
    owns = ()
    lasting = _CELLS
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._known = {}  # link key -> cells
        self._waiting = []  # InfiniBand ports that are still to be asked
        self._samples = 0

    def sample(self) -> Reading:
        if self._samples % _ASK_EVERY == 0:
            self._known = self._begin()
        self._samples += 1
        if self._waiting:
            port = self._waiting.pop(0)
            self._known = dict(self._known, **{_key(port): self._asked(port)})
        return Reading({"link": self._known})

    def _begin(self) -> dict:
        """Ask LLDP, and list the ports that are to be asked."""
        lldp, smp = self._world.which("lldpctl"), self._world.which("smpquery")
        if lldp is None and smp is None:
            raise Absent("neither lldpctl nor smpquery is installed; the inventory may name the switches")
        self._waiting = [port for port in ports(self._world) if smp and self._has_neighbour(port)]
        waiting = {_key(port): dict.fromkeys(_CELLS, _ITS_TURN) for port in self._waiting}
        known = dict(waiting, **self._known)  # what was told before holds until it is asked anew
        if lldp is None:
            return known
        try:
            return dict(known, **self._by_lldp(lldp))
        except OSError as error:  # its daemon doesn't run
            if not self._waiting:
                raise Absent(str(error)) from error
            return known

    def _has_neighbour(self, port: tuple) -> bool:
        root = "%s%s/ports/%s/" % (_IB, port[0], port[1])
        layer, state = (attribute(self._world, root + name, keep=False) for name in ("link_layer", "state"))
        return layer == "InfiniBand" and isinstance(state, str) and not state.startswith("1:")

    def _by_lldp(self, program: str) -> dict:
        from .neighbour_text import lldp  # noqa: PLC0415 - only where somebody can be asked

        status, out, error = self._world.run([program, "-f", "json0"], _SECONDS)
        if status != 0:
            raise OSError("lldpctl: " + (error.strip() or "exit status %d" % status))
        return {"eth:" + name: cells for name, cells in lldp(out).items()}

    def _asked(self, port: tuple) -> dict:
        """Of one port, by packets that go no further than the next switch. A reason where they find nothing."""
        from . import neighbour_text as text  # noqa: PLC0415 - as above

        number = port[1]
        try:
            name = text.description(self._query(port, "nodedesc", "0," + number))
            kind, arrived_at = text.node(self._query(port, "nodeinfo", "0," + number))
            ends = [
                text.supported(self._query(port, "portinfo", "0", number)),
                text.supported(self._query(port, "portinfo", "0," + number, arrived_at)),
            ]
        except OSError as error:
            code = NOT_PERMITTED_CODE if "ermi" in str(error) else FAILED_CODE  # "Permission denied", "not permitted"
            return dict.fromkeys(_CELLS, Missing(code, str(error)))
        peer = "%s port %s" % (name, arrived_at) if kind == "Switch" else name
        return dict(text.best(ends), peer=peer, switch=name if kind == "Switch" else UNSUPPORTED)

    def _query(self, port: tuple, *question: str) -> str:
        """Raises OSError with the program's words."""
        argv = ["smpquery", "-C", port[0], "-P", port[1], "-D", *question]
        argv[0] = self._world.which("smpquery") or argv[0]
        status, out, error = self._world.run(argv, _SECONDS)
        if status != 0:
            raise OSError("smpquery: " + (error.strip() or out.strip() or "exit status %d" % status).splitlines()[-1])
        return out


def _key(port: tuple) -> str:
    """Of the link of an InfiniBand port (device, number)."""
    return "ib:%s/%s" % port

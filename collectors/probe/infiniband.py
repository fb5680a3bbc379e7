"""InfiniBand and RoCE ports as links, from /sys/class/infiniband; here the traffic of NCCL shows up.

Traps of these files: data counters count words of 4 bytes; a counter may read "N/A (no PMA)" or fail with EINVAL; the
error counters of the standard are 4 to 16 bits wide and stop at their end; those in hw_counters are read anew by the
driver no more often than `lifespan` (ms) says; a bonded device is management Ethernet and no part of the fabric; now
and then the firmware gives a data counter that leaps by what no wire carries.
"""

from . import ib_text, pcie
from .cells import FAILED_CODE, UNSUPPORTED, Absent, Missing, Rates, Reading, rounded
from .sysfs import attribute, ethernet_medium

_ROOT = "/sys/class/infiniband/"
_GAUDI = ("hbl_", "hlib_")
_SLOW_EVERY = 10  # samples; each counter read asks the firmware
_WORD_BYTES = 4
_MOST_SPEEDS = 4  # that a port may carry: two ports that are one count together, and counters are read late at times
_LEAPT = Missing(FAILED_CODE, "its counter leapt by more than the port can carry")
_BYTES = (  # (bytes in, bytes out, bytes of a unit): the first pair that a driver has
    ("counters/port_rcv_data", "counters/port_xmit_data", _WORD_BYTES),
    ("hw_counters/rx_bytes", "hw_counters/tx_bytes", 1),  # efa, bnxt_re
    ("hw_counters/rx_rdma_ucast_bytes", "hw_counters/tx_rdma_ucast_bytes", 1),  # ionic
)
_SLOW_COUNTERS = (
    ("rx_errors", "counters/port_rcv_errors"),
    ("tx_discards", "counters/port_xmit_discards"),
    ("ib.symbol_error", "counters/symbol_error"),
    ("ib.link_downed", "counters/link_downed"),
    ("ib.link_recovery", "counters/link_error_recovery"),
    ("ib.local_integrity", "counters/local_link_integrity_errors"),
    ("ib.buffer_overrun", "counters/excessive_buffer_overrun_errors"),
    ("ib.xmit_wait", "counters/port_xmit_wait"),
    ("rdma.rnr_nak_retry", "hw_counters/rnr_nak_retry_err"),
    ("rdma.ack_timeout", "hw_counters/local_ack_timeout_err"),
    ("rdma.out_of_sequence", "hw_counters/out_of_sequence"),
    ("roce.slow_restart", "hw_counters/roce_slow_restart"),
    ("roce.cnp", "hw_counters/np_cnp_sent"),
)
_FIXED = "name kind medium accelerator up phys speed width rx tx carrier_changes".split()


class Sampler:
    period, deadline = 1.0, 8.0
    metrics = {"link": list(dict.fromkeys((*_FIXED, *(metric for metric, _ in _SLOW_COUNTERS), *pcie.METRICS, "numa")))}
    owns = ("link",)
    lasting = ("name", "kind", "accelerator")
    awaited, follows_holders = True, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._rates = Rates()
        self._ports = []
        self._slow = {}  # port -> cells that are read every _SLOW_EVERY samples, and whenever it goes up or down
        self._up = {}  # port -> what its state was last
        self._slots = {}  # device -> cells of its PCIe link, likewise
        self._bytes = {}  # port -> the row of _BYTES that its driver has
        self._samples = 0

    def sample(self) -> Reading:
        if self._samples % _SLOW_EVERY == 0:
            self._ports = ports(self._world)
        if not self._ports:
            raise Absent("no ports in " + _ROOT)
        at = self._world.monotonic()
        links = {}
        for index, port in enumerate(self._ports):
            state = self._attribute(port, "state")
            up = state if isinstance(state, Missing) else int(state.endswith("ACTIVE"))
            if self._up.get(port) != up or (self._samples + index) % _SLOW_EVERY == 0:
                self._up[port] = up
                self._slow[port] = self._slow_cells(port)
                self._slots[port[0]] = self._slot_cells(port[0])
            links["ib:%s/%s" % port] = (self._slow[port], self._cells(port, up, at))
        for device in dict.fromkeys(device for device, _ in self._ports):
            if self._slots[device]:
                links["pcie:" + device] = self._slots[device]
        self._samples += 1
        return Reading({"link": links})

    def _cells(self, port: tuple, up: "int | Missing", at: float) -> dict:
        received, sent, unit = self._byte_counters(port)
        return {"up": up, "rx": self._rate(port, received, unit, at), "tx": self._rate(port, sent, unit, at)}

    def _byte_counters(self, port: tuple) -> tuple:
        found = self._bytes.get(port)
        if found is None:
            readable = [row for row in _BYTES if not isinstance(self._attribute(port, row[0]), Missing)]
            found = self._bytes[port] = (readable or _BYTES)[0]
        return found

    def _rate(self, port: tuple, file: str, unit: int, at: float):
        count = self._counter(port, file)
        if isinstance(count, Missing):
            return count
        rate, speed = self._rates.rate((port, file), count, at, unit), self._slow[port]["speed"]
        if isinstance(rate, Missing) or isinstance(speed, Missing) or rate <= _MOST_SPEEDS * speed:
            return rounded(rate)
        return _LEAPT

    def _slow_cells(self, port: tuple) -> dict:
        layer, phys, rate = (self._attribute(port, name) for name in ("link_layer", "phys_state", "rate"))
        kind = ib_text.kind(port[0], layer)
        cells = {
            "name": "%s/%s" % port,
            "kind": kind,
            "accelerator": "",
            "phys": phys if isinstance(phys, Missing) else ib_text.phase(phys),
        }
        if isinstance(rate, Missing):
            cells.update(speed=rate, width=rate, medium=rate)
        else:
            cells.update(ib_text.rate(rate))
        if kind != "infiniband":  # the width and the name are those of an InfiniBand port as fast
            cells.update(width=UNSUPPORTED, medium=ethernet_medium(cells["speed"]))
        for metric, file in _SLOW_COUNTERS:
            cells[metric] = self._counter(port, file)
        cells["carrier_changes"] = UNSUPPORTED if kind == "infiniband" else self._carrier_changes(port[0])
        return cells

    def _carrier_changes(self, device: str) -> "int | Missing":
        """Of the network interface that the port also is."""
        folder = _ROOT + device + "/device/net"
        try:
            interface = sorted(self._world.listdir(folder))[0]
        except (OSError, IndexError):
            return UNSUPPORTED
        text = attribute(self._world, "%s/%s/carrier_changes" % (folder, interface))
        return text if isinstance(text, Missing) else int(text)

    def _slot_cells(self, device: str) -> dict:
        """Of its PCIe link; nothing where it has none to be seen."""
        try:
            address = self._world.readlink(_ROOT + device + "/device").rpartition("/")[2]
        except OSError:
            return {}
        cells = pcie.link_cells(self._world, address)
        if isinstance(cells["width"], Missing):
            return {}
        return dict(cells, name=device + " slot", accelerator="", numa=pcie.numa_node(self._world, address))

    def _counter(self, port: tuple, file: str) -> "int | Missing":
        text = self._attribute(port, file)
        return text if isinstance(text, Missing) else ib_text.counter(file.rpartition("/")[2], text)

    def _attribute(self, port: tuple, name: str) -> "str | Missing":
        return attribute(self._world, "%s%s/ports/%s/%s" % (_ROOT, port[0], port[1], name))


def ports(world) -> "list[tuple[str, str]]":
    """(device, port number) of every port."""
    try:
        devices = sorted(world.listdir(_ROOT))
    except OSError:
        return []
    found = []
    for device in devices:
        if device.startswith(_GAUDI):  # ports of accelerators, whose counters have other names: gaudi_ports has them
            continue
        try:
            found += [(device, port) for port in sorted(world.listdir(_ROOT + device + "/ports"))]
        except OSError:  # a device without ports, or one that just went away
            continue
    return found

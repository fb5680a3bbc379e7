"""The NVLinks of a GPU: which are up, how fast, how much goes over them, and their errors.

A full board has 18 links with a dozen values each, eight times in a node: most are asked for in turns.
"""

from . import nvidia_link_errors, pcie
from .cells import NOT_YET, UNSUPPORTED, Missing
from .nvml import Device, ask, ask_fields, lost
from .nvml_fields import ByteRates, FieldBatch, Numbers

# field ids of nvml.h; the scope of a field is the link, or ALL for the sum
_LINK_COUNT, _SPEED = 91, 164
_SENT, _RECEIVED = 138, 139  # KiB of data
_SENT_BYTES, _RECEIVED_BYTES = 202, 204  # NVLink 5: bytes, and there is no sum of all links
_ALL = 0xFFFFFFFF
_MOST_LINKS = 36  # NVML_NVLINK_MAX_LINKS
_MEGABYTE, _KIB = 1e6, 1024
_GPU, _SWITCH = 0, 2  # nvmlIntNvLinkDeviceType_t
_ERRORS_EVERY, _SPEED_EVERY = 3, 6  # looks

METRICS = "name kind accelerator medium gen peer up speed rx tx".split() + nvidia_link_errors.METRICS
LASTING = "name kind accelerator medium gen peer".split()
_GONE = lost(name for name in METRICS if name not in LASTING)
_NAMES, _PEER, _STATE, _TRAFFIC, _FAULTS, _SPEEDS = range(6)  # the parts of a row
GPU_METRICS = "links_up links_max link_rx link_tx".split()


class NvLinks:
    """The links of one GPU. `look` asks for the links one by one, `totals` only for the bytes of all together."""

    def __init__(self, nvml, device: Device) -> None:
        self._nvml = nvml
        self._handle = device.handle
        self._count = _count(nvml, device.handle)
        links = [] if isinstance(self._count, Missing) else range(self._count)
        self._keys = ["nvlink:%s:%d" % (device.key, link) for link in links]
        sent, received, unit, all_links = _byte_counters(nvml, device.handle, links)
        self._all_rate, self._each_rate = ByteRates(unit), ByteRates(unit)
        summed = [(field, scope) for field in (sent, received) for scope in all_links]
        self._all = FieldBatch(nvml, self._handle, summed)
        self._each = FieldBatch(nvml, self._handle, [(field, link) for field in (received, sent) for link in links])
        self._states = Numbers(nvml, "nvmlDeviceGetNvLinkState", [(device.handle, link) for link in links])
        generation = nvidia_link_errors.generation(nvml, device.handle) if links else UNSUPPORTED
        self._errors = nvidia_link_errors.LinkErrors(nvml, device.handle, links, generation)
        self._looks = 0
        self._seen = []  # of each link, whether it is up, as it was told last
        self._up = NOT_YET  # how many
        self._rows = [[_names(device, link, generation), {}, {}, {}, {}, {}] for link in links]
        self._alone = list(links)  # those whose other end isn't known
        self._changed = False  # rows, since `cells` were made of them
        self.cells = {key: tuple(row) for key, row in zip(self._keys, self._rows)}

    def look(self, at: float) -> None:
        """Ask for every link; the parts that are due. `at` is monotonic time in seconds."""
        if not self._keys:
            return
        self._look_at_states()
        self._look_for_peers()
        self._renew(_TRAFFIC, self._traffic(at))
        if self._looks % _ERRORS_EVERY == 0:
            self._renew(_FAULTS, self._errors.look())
        if self._looks % _SPEED_EVERY == 0:
            self._renew(_SPEEDS, self._speeds())
        self._looks += 1
        if self._changed:
            self._changed = False
            self.cells = {key: tuple(row) for key, row in zip(self._keys, self._rows)}

    def _renew(self, part: int, cells: "list[dict]") -> None:
        """One part of every row; what hasn't changed stays the very same."""
        for row, new in zip(self._rows, cells):
            if row[part] is not new and row[part] != new:
                row[part] = new
                self._changed = True

    def lose(self) -> None:
        """The GPU is lost, and its links with it; the next look asks for all of them again."""
        if self._looks:
            self._looks, self._seen, self._changed = 0, [], True
            self._up = NOT_YET
            self.cells = {key: (row[_NAMES], row[_PEER], _GONE) for key, row in zip(self._keys, self._rows)}

    def _look_at_states(self) -> None:
        states = self._states.values()
        if states == self._seen:
            return
        self._seen, self._up = states, _total_up(states)
        self._renew(_STATE, [{"up": up if isinstance(up, Missing) else int(up)} for up in states])

    def _look_for_peers(self) -> None:
        """The other ends: asked for while they aren't known, since a link that is down has none."""
        for link in self._alone:
            peer = {"peer": self._peer(link)}
            if self._rows[link][_PEER] != peer:
                self._rows[link][_PEER] = peer
                self._changed = True
        self._alone = [link for link in self._alone if not isinstance(self._rows[link][_PEER]["peer"], str)]

    def _peer(self, link: int) -> "str | Missing":
        info = ask(self._nvml, "nvmlDeviceGetNvLinkRemotePciInfo", self._handle, link)
        if isinstance(info, Missing):
            return info
        kind = ask(self._nvml, "nvmlDeviceGetNvLinkRemoteDeviceType", self._handle, link)
        if kind == _GPU:
            return _gpu_at(self._nvml, info.busId)
        address = pcie.normal(info.busId) if info.bus or info.device else ""  # a switch outside of the node has none
        return ("NVSwitch " + address).rstrip() if kind == _SWITCH else address or UNSUPPORTED

    def _traffic(self, at: float) -> "list[dict]":
        rates = self._each_rate.of(self._each.values(), at)
        count = len(self._keys)
        return [{"rx": rx, "tx": tx} for rx, tx in zip(rates[:count], rates[count:])]

    def _speeds(self) -> "list[dict]":
        speeds = ask_fields(self._nvml, self._handle, [(_SPEED, link) for link in range(len(self._keys))])
        return [{"speed": speed if isinstance(speed, Missing) else int(speed * _MEGABYTE)} for speed in speeds]

    def totals(self, at: float) -> dict:
        """The cells of the GPU."""
        if isinstance(self._count, Missing):
            return dict.fromkeys(GPU_METRICS, self._count)
        counted = self._all.values()
        half = len(counted) // 2
        sent, received = self._all_rate.of([_sum(counted[:half]), _sum(counted[half:])], at)
        return {"links_max": self._count, "links_up": self._up, "link_rx": received, "link_tx": sent}


def _names(device: Device, link: int, generation: "int | Missing") -> dict:
    return {
        "name": "%s/nvlink%d" % (device.name, link),
        "kind": "nvlink",
        "accelerator": device.key,
        "medium": generation if isinstance(generation, Missing) else "NVLink %d" % generation,
        "gen": generation,
    }


def _byte_counters(nvml, handle, links) -> tuple:
    """Fields of the bytes sent and received, the bytes that they count in, and the scopes that make up the sum."""
    answers = ask_fields(nvml, handle, [(_SENT, link) for link in links])
    if answers and all(isinstance(answer, Missing) for answer in answers):
        newer = ask_fields(nvml, handle, [(_SENT_BYTES, link) for link in links])
        if not all(isinstance(answer, Missing) for answer in newer):
            return _SENT_BYTES, _RECEIVED_BYTES, 1, links
    return _SENT, _RECEIVED, _KIB, [_ALL]


def _sum(counters: list) -> "int | Missing":
    """Of the links that count; a link that is down may not."""
    known = [counter for counter in counters if not isinstance(counter, Missing)]
    return sum(known) if known else counters[0]


def _gpu_at(nvml, address: str) -> str:
    """The name of the GPU of this node with a PCI address; else the address itself."""
    handle = ask(nvml, "nvmlDeviceGetHandleByPciBusId", address)
    index = handle if isinstance(handle, Missing) else ask(nvml, "nvmlDeviceGetIndex", handle)
    return pcie.normal(address) if isinstance(index, Missing) else "gpu%d" % index


def _total_up(states: list) -> "int | Missing":
    unknown = [state for state in states if isinstance(state, Missing)]
    return unknown[0] if unknown else sum(states)


def _count(nvml, handle) -> "int | Missing":
    """How many links the GPU has. Drivers before 450 don't count: asked link by link until one isn't there."""
    count = ask_fields(nvml, handle, [_LINK_COUNT])[0]
    if isinstance(count, Missing):
        states = (ask(nvml, "nvmlDeviceGetNvLinkState", handle, link) for link in range(_MOST_LINKS))
        count = next((link for link, state in enumerate(states) if isinstance(state, Missing)), _MOST_LINKS)
    return count or UNSUPPORTED

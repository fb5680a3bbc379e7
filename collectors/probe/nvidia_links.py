"""The NVLinks of a GPU: which are up, how fast, how much goes over them, and their errors.

A full board has 18 links with a dozen values each, eight times in a node: most are asked for in turns.
"""

import ctypes

from .cells import NOT_YET, UNSUPPORTED, Missing, Rates, rounded
from .nvml import Device, ask, ask_fields, lost
from .nvml_fields import FieldBatch, NumberCall

# field ids of nvml.h; the scope of a field is the link, or ALL for the sum
_LINK_COUNT, _SPEED, _SENT, _RECEIVED = 91, 164, 138, 139
_ALL = 0xFFFFFFFF
_MOST_LINKS = 36  # NVML_NVLINK_MAX_LINKS
_MEGABYTE, _KIB = 1e6, 1024
_ERRORS = (("replay_errors", 0), ("recovery_errors", 1), ("crc_errors", 2))  # nvmlNvLinkErrorCounter_t
_ERRORS_EVERY, _SPEED_EVERY = 2, 6  # looks

METRICS = "name kind accelerator peer up speed rx tx crc_errors replay_errors recovery_errors".split()
LASTING = "name kind accelerator peer".split()
_GONE = lost(name for name in METRICS if name not in LASTING)
_NAMES, _PEER, _STATE, _TRAFFIC, _FAULTS, _SPEEDS = range(6)  # the parts of a row
GPU_METRICS = "links_up links_max link_rx link_tx".split()


class NvLinks:
    """The links of one GPU. `look` asks for the links one by one, `totals` only for the bytes of all together."""

    def __init__(self, nvml, device: Device) -> None:
        self._nvml = nvml
        self._handle = device.handle
        self._rates = Rates()
        self._count = _count(nvml, device.handle)
        links = [] if isinstance(self._count, Missing) else range(self._count)
        self._keys = ["nvlink:%s:%d" % (device.key, link) for link in links]
        self._all = FieldBatch(nvml, self._handle, [(_SENT, _ALL), (_RECEIVED, _ALL)])
        self._each = FieldBatch(nvml, self._handle, [(field, link) for field in (_RECEIVED, _SENT) for link in links])
        self._state = NumberCall(nvml, "nvmlDeviceGetNvLinkState")
        self._error = NumberCall(nvml, "nvmlDeviceGetNvLinkErrorCounter", ctypes.c_ulonglong)
        self._looks = 0
        self._up = NOT_YET  # how many
        self._rows = [
            [
                {"name": "%s/nvlink%d" % (device.name, link), "kind": "nvlink", "accelerator": device.key},
                {},
                {},
                {},
                {},
                {},
            ]
            for link in links
        ]
        self.cells = {key: tuple(row) for key, row in zip(self._keys, self._rows)}

    def look(self, at: float) -> None:
        """Ask for every link; the parts that are due. `at` is monotonic time in seconds."""
        if not self._keys:
            return
        states = self._states()
        self._up = _total_up(states)
        self._renew(_PEER, self._peers())
        self._renew(_STATE, states)
        self._renew(_TRAFFIC, self._traffic(at))
        if self._looks % _ERRORS_EVERY == 0:
            self._renew(_FAULTS, self._errors())
        if self._looks % _SPEED_EVERY == 0:
            self._renew(_SPEEDS, self._speeds())
        self._looks += 1
        self.cells = {key: tuple(row) for key, row in zip(self._keys, self._rows)}

    def _renew(self, part: int, cells: "list[dict]") -> None:
        """One part of every row; what hasn't changed stays the very same."""
        for row, new in zip(self._rows, cells):
            if row[part] != new:
                row[part] = new

    def lose(self) -> None:
        """The GPU is lost, and its links with it; the next look asks for all of them again."""
        if self._looks:
            self._looks = 0
            self._up = NOT_YET
            self.cells = {key: (row[_NAMES], row[_PEER], _GONE) for key, row in zip(self._keys, self._rows)}

    def _states(self) -> "list[dict]":
        states = [self._state.ask(self._handle, link) for link in range(len(self._keys))]
        return [{"up": up if isinstance(up, Missing) else int(up)} for up in states]

    def _peers(self) -> "list[dict]":
        """The other ends: asked for while they aren't known, since a link that is down has none."""
        known = [row[_PEER] for row in self._rows]
        return [
            peer if isinstance(peer.get("peer"), str) else {"peer": self._peer(link)} for link, peer in enumerate(known)
        ]

    def _peer(self, link: int) -> "str | Missing":
        info = ask(self._nvml, "nvmlDeviceGetNvLinkRemotePciInfo", self._handle, link)
        return info if isinstance(info, Missing) else info.busId

    def _traffic(self, at: float) -> "list[dict]":
        bytes_of = self._each.values()
        received, sent = bytes_of[: len(self._keys)], bytes_of[len(self._keys) :]
        return [
            {"rx": self._rate(("rx", link), received[link], at), "tx": self._rate(("tx", link), sent[link], at)}
            for link in range(len(self._keys))
        ]

    def _errors(self) -> "list[dict]":
        return [
            {name: self._error.ask(self._handle, link, counter) for name, counter in _ERRORS}
            for link in range(len(self._keys))
        ]

    def _speeds(self) -> "list[dict]":
        speeds = ask_fields(self._nvml, self._handle, [(_SPEED, link) for link in range(len(self._keys))])
        return [{"speed": speed if isinstance(speed, Missing) else int(speed * _MEGABYTE)} for speed in speeds]

    def totals(self, at: float) -> dict:
        """The cells of the GPU."""
        if isinstance(self._count, Missing):
            return dict.fromkeys(GPU_METRICS, self._count)
        sent, received = self._all.values()
        return {
            "links_max": self._count,
            "links_up": self._up,
            "link_rx": self._rate("rx", received, at),
            "link_tx": self._rate("tx", sent, at),
        }

    def _rate(self, name, kibibytes, at: float):
        if isinstance(kibibytes, Missing):
            return kibibytes
        return rounded(self._rates.rate(name, kibibytes, at, _KIB))


def _total_up(states: "list[dict]") -> "int | Missing":
    unknown = [state["up"] for state in states if isinstance(state["up"], Missing)]
    return unknown[0] if unknown else sum(state["up"] for state in states)


def _count(nvml, handle) -> "int | Missing":
    """How many links the GPU has. Drivers before 450 don't count: asked link by link until one isn't there."""
    count = ask_fields(nvml, handle, [_LINK_COUNT])[0]
    if isinstance(count, Missing):
        states = (ask(nvml, "nvmlDeviceGetNvLinkState", handle, link) for link in range(_MOST_LINKS))
        count = next((link for link, state in enumerate(states) if isinstance(state, Missing)), _MOST_LINKS)
    return count or UNSUPPORTED

"""The NVLinks of a GPU: which are up, how fast, how much goes over them, and their errors."""

from .cells import UNSUPPORTED, Missing, Rates, rounded
from .nvml import Device, ask, ask_fields

# field ids of nvml.h; the scope of a field is the link, or ALL for the sum
_LINK_COUNT, _SPEED, _SENT, _RECEIVED = 91, 164, 138, 139
_ALL = 0xFFFFFFFF
_MEGABYTE, _KIB = 1e6, 1024
_ERRORS = (("replay_errors", 0), ("recovery_errors", 1), ("crc_errors", 2))  # nvmlNvLinkErrorCounter_t

METRICS = "name kind accelerator peer up speed rx tx crc_errors replay_errors recovery_errors".split()
GPU_METRICS = "nvlinks nvlinks_max nvlink_rx nvlink_tx".split()


class NvLinks:
    """The links of one GPU. `look` asks for everything, `totals` only for the bytes of all links together."""

    def __init__(self, nvml, device: Device) -> None:
        self._nvml = nvml
        self._device = device
        self._rates = Rates()
        self._states = {}  # link -> 1, 0 or Missing, of every link that the GPU has
        self._count = self._counted()
        self._peers = {}
        self._totals_told = True
        self.cells = {}  # link key -> cells, as of the last look

    def _counted(self) -> "int | Missing":
        count = ask_fields(self._nvml, self._device.handle, [_LINK_COUNT])[0]
        if isinstance(count, Missing):  # drivers before 450 don't count: ask link by link until one isn't there
            states = (ask(self._nvml, "nvmlDeviceGetNvLinkState", self._device.handle, link) for link in range(36))
            count = next((link for link, state in enumerate(states) if isinstance(state, Missing)), 36)
        return count or UNSUPPORTED

    def look(self, at: float) -> None:
        """Ask for every link. `at` is monotonic time in seconds."""
        if isinstance(self._count, Missing):
            return
        links = range(self._count)
        self._states = {link: self._state(link) for link in links}
        fields = ask_fields(
            self._nvml,
            self._device.handle,
            [(field, link) for field in (_SPEED, _SENT, _RECEIVED) for link in links],
        )
        speeds, sent, received = (fields[turn * self._count :][: self._count] for turn in range(3))
        for link in links:
            traffic = {
                "speed": speeds[link] if isinstance(speeds[link], Missing) else int(speeds[link] * _MEGABYTE),
                "rx": self._rate(("rx", link), received[link], at),
                "tx": self._rate(("tx", link), sent[link], at),
            }
            self.cells["nvlink:%s:%d" % (self._device.key, link)] = dict(self._about(link), **traffic)

    def _state(self, link: int) -> "int | Missing":
        state = ask(self._nvml, "nvmlDeviceGetNvLinkState", self._device.handle, link)
        return state if isinstance(state, Missing) else int(state)

    def _about(self, link: int) -> dict:
        cells = {
            "name": "%s/nvlink%d" % (self._device.name, link),
            "kind": "nvlink",
            "accelerator": self._device.key,
            "peer": self._peer(link),
            "up": self._states[link],
        }
        for name, counter in _ERRORS:
            cells[name] = ask(self._nvml, "nvmlDeviceGetNvLinkErrorCounter", self._device.handle, link, counter)
        return cells

    def _peer(self, link: int) -> "str | Missing":
        """The PCI address at the other end; it is asked for while it isn't known, a link that is down has none."""
        if isinstance(self._peers.get(link), str):
            return self._peers[link]
        info = ask(self._nvml, "nvmlDeviceGetNvLinkRemotePciInfo", self._device.handle, link)
        self._peers[link] = info if isinstance(info, Missing) else info.busId
        return self._peers[link]

    def totals(self, at: float) -> dict:
        """The cells of the GPU."""
        if isinstance(self._count, Missing):
            return dict.fromkeys(GPU_METRICS, UNSUPPORTED)
        unknown = next((state for state in self._states.values() if isinstance(state, Missing)), None)
        cells = {"nvlinks_max": self._count, "nvlinks": unknown or sum(self._states.values())}
        if self._totals_told:
            sent, received = ask_fields(self._nvml, self._device.handle, [(_SENT, _ALL), (_RECEIVED, _ALL)])
            self._totals_told = not isinstance(sent, Missing)
            cells["nvlink_rx"] = self._rate("rx", received, at)
            cells["nvlink_tx"] = self._rate("tx", sent, at)
        return cells

    def _rate(self, name, kibibytes, at: float):
        if isinstance(kibibytes, Missing):
            return kibibytes
        return rounded(self._rates.rate(name, kibibytes, at, _KIB))

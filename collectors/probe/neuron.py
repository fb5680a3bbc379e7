"""AWS Trainium and Inferentia: devices through `neuron-ls` and sysfs, values through the stream of `neuron-monitor`.

A device is one row. Its cores are no rows of their own: up to 128 on a node, of which nothing but their load and
memory is known, would be most of what a fleet's table holds. Temperatures and clocks are told nowhere, and of
NeuronLinks only where they lead.
"""

from . import pcie
from .cells import UNSUPPORTED, Absent, Missing, Reading

AMAZON = 0x1D0F
_MODELS = {
    0x7064: "Inferentia", 0x7065: "Inferentia", 0x7066: "Inferentia", 0x7067: "Inferentia", 0x7264: "Inferentia2",
    0x7164: "Trainium", 0x7364: "Trainium2", 0x7564: "Trainium3", 0x7565: "Trainium3",
}  # fmt: skip
_PCIE = {"pcie_gen": "gen", "pcie_gen_max": "gen_max", "pcie_width": "width", "pcie_width_max": "width_max"}
_IDENTITY = "name vendor model uuid serial bus_id driver runtime index numa partition_of mem_total links_max".split()
_LOAD = "util sm_active mem_used exec_latency".split()  # what neuron-monitor alone tells
_SLOW = "ecc_corrected ecc_uncorrected ecc_sram power_share".split()
_LOOK_SECONDS = 60.0  # as often as the driver renews its figures of power


class Sampler:
    period, deadline = 2.0, 30.0
    metrics = {
        "accelerator": _IDENTITY + list(_PCIE) + _LOAD + _SLOW + ["exec_errors", "processes"],
        "link": ["name", "accelerator", *pcie.METRICS],
    }
    owns = ("accelerator", "link")
    lasting = (*_IDENTITY, "kind", "accelerator", "peer")
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        found = [device for device in world.pci() if device.vendor == AMAZON and device.device in _MODELS]
        if not found:
            raise Absent("no Neuron device of Amazon (vendor 1d0f) on the PCI bus")
        from . import neuron_devices, neuron_monitor, neuron_sysfs  # noqa: PLC0415 - compiled only where there are some
        from .neuron_stream import Monitor  # noqa: PLC0415

        self._world = world
        self._model = _MODELS[found[0].device]
        self._addresses = [device.address for device in found]
        self._find, self._parse, self._sysfs = neuron_devices, neuron_monitor, neuron_sysfs
        self._monitor = Monitor(world)
        self._devices = []
        self._keys = {}  # index -> key
        self._known = {}  # index -> identity
        self._slow = {}  # index -> what sysfs tells
        self._links = {}
        self._look_at = world.monotonic()
        self._told_of = None  # the record that the last reading is of
        self._reading: "Reading | None" = None

    def sample(self) -> Reading:
        looked = self._world.monotonic() >= self._look_at
        if looked:
            self._look()
        self._monitor.renew()
        if looked or self._reading is None or self._monitor.record is not self._told_of:
            self._told_of, self._reading = self._monitor.record, self._read()
        return self._reading

    def _read(self) -> Reading:
        rows, holders, told = {}, {}, self._told()
        for device in self._devices:
            key = self._keys[device.index]
            holders[key] = self._holders(device)
            live = dict(self._slow[device.index], processes=len(holders[key]), **told[device.index])
            rows[key] = (self._known[device.index], live)
        return Reading({"accelerator": rows, "link": self._links}, None, holders)

    def _look(self) -> None:
        """What changes seldom: which devices there are, who uses them, what sysfs says."""
        self._look_at = self._world.monotonic() + _LOOK_SECONDS
        self._devices = self._find.devices(self._world, self._addresses)
        self._keys, self._known, self._slow = {}, {}, {}
        lanes = {}
        for device in self._devices:
            known = self._find.identity(self._world, device, self._model)
            key = self._keys[device.index] = self._find.key_of(known)
            link = self._pcie(device)
            if link:
                lanes["pcie:%s:0" % key] = dict(link, name=known["name"] + "/pcie", accelerator=key)
            known.update((metric, link.get(name, UNSUPPORTED)) for metric, name in _PCIE.items())
            self._known[device.index] = known
            self._slow[device.index] = self._sysfs.figures(self._world, device.index)
        self._links = dict(self._find.links(self._keys, self._devices), **lanes)

    def _pcie(self, device) -> dict:
        return {} if isinstance(device.address, Missing) else pcie.link_cells(self._world, device.address)

    def _told(self) -> dict:
        """Device index -> what neuron-monitor tells, or why it doesn't."""
        record = self._monitor.record
        if isinstance(record, Missing):
            told: dict = {device.index: dict.fromkeys(_LOAD, record) for device in self._devices}
        else:
            told = self._parse.cells(record, self._monitor.running, self._devices)
        return {
            device.index: dict(told[device.index], exec_errors=self._monitor.failures(device))
            for device in self._devices
        }

    def _holders(self, device) -> list:
        """By neuron-monitor where it runs; else those that neuron-ls saw at the last look."""
        if isinstance(self._monitor.record, Missing):
            return [(pid, -1, "compute") for pid in device.processes]
        return self._monitor.holders(device)

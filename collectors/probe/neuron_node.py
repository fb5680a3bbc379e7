"""The Neuron devices of a node: what they are, and what neuron-monitor's newest record says of them.

A device is one row. Its cores are no rows of their own: up to 128 on a node, of which nothing but their load and
memory is known, would be most of what a fleet's table holds. Temperatures and clocks are told nowhere, and of
NeuronLinks only where they lead.
"""

from . import neuron_devices, neuron_monitor, pcie
from .cells import UNSUPPORTED, Missing, Reading, trouble
from .neuron import LOAD, MODELS, PCIE
from .neuron_stream import Monitor
from .neuron_sysfs import Sysfs

_LOOK_SECONDS = 60.0  # as often as the driver renews its figures of power


class NeuronNode:
    """`found` are the Neuron devices on the PCI bus."""

    def __init__(self, world, found: list) -> None:
        self._world = world
        self._model = MODELS[found[0].device]
        self._addresses = [device.address for device in found]
        self.monitor = Monitor(world)
        self._sysfs = Sysfs(world)
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
        self.monitor.renew()
        if looked or self._reading is None or self.monitor.record is not self._told_of:
            self._told_of, self._reading = self.monitor.record, self._read()
        return self._reading

    def _read(self) -> Reading:
        rows, holders, told = {}, {}, self._told()
        for device in self._devices:
            key = self._keys[device.index]
            holders[key] = self._holders(device)
            held = holders[key]
            live = _better(told[device.index], self._slow[device.index])
            live["processes"] = held if isinstance(held, Missing) else len(held)
            rows[key] = (self._known[device.index], live)
        cells = {"accelerator": rows, "link": self._links}
        return Reading(cells, None, holders, trouble=trouble(self.monitor.record))

    def _look(self) -> None:
        """What changes seldom: which devices there are, who uses them, what sysfs says."""
        self._look_at = self._world.monotonic() + _LOOK_SECONDS
        self._sysfs.version()
        self._devices = neuron_devices.devices(self._world, self._sysfs, self._addresses)
        self._keys, self._known, self._slow = {}, {}, {}
        lanes = {}
        for device in self._devices:
            known = neuron_devices.identity(self._sysfs, device, self._model)
            key = self._keys[device.index] = neuron_devices.key_of(known)
            link = self._pcie(device)
            if link:
                lanes["pcie:%s:0" % key] = dict(link, name=known["name"] + "/pcie", accelerator=key)
            known.update((metric, link.get(name, UNSUPPORTED)) for metric, name in PCIE.items())
            self._known[device.index] = known
            self._slow[device.index] = self._sysfs.figures(device.index)
        self._links = dict(neuron_devices.links(self._keys, self._devices), **lanes)

    def _pcie(self, device) -> dict:
        return {} if isinstance(device.address, Missing) else pcie.link_cells(self._world, device.address)

    def _told(self) -> dict:
        """Device index -> what neuron-monitor tells, or why it doesn't."""
        record = self.monitor.record
        if isinstance(record, Missing):
            told: dict = {
                device.index: dict.fromkeys((*LOAD, *neuron_monitor.ERRORS), record) for device in self._devices
            }
        else:
            neuron_monitor.number_cores(record, self._devices)
            told = neuron_monitor.cells(record, self.monitor.running, self._devices)
        return {
            device.index: dict(told[device.index], exec_errors=self.monitor.failures(device))
            for device in self._devices
        }

    def _holders(self, device) -> "list | Missing":
        """By neuron-monitor where it runs; else those that neuron-ls saw at the last look."""
        if isinstance(self.monitor.record, Missing):
            return [(pid, -1, "compute") for pid in device.processes]
        return self.monitor.holders(device)


def _better(told: dict, slow: dict) -> dict:
    """Both; of what neuron-monitor doesn't tell, the value of sysfs where it has one."""
    live = dict(slow, **told)
    for name, value in slow.items():
        if isinstance(live[name], Missing) and not isinstance(value, Missing):
            live[name] = value
    return live

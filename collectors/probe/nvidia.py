"""NVIDIA GPUs, their MIG instances and NVLinks, through NVML.

Each device costs the driver some time: what changes slowly is asked every ten seconds, of a few devices a tick. Not of
one alone: by the next tick code and data have left the processor's caches, so the first one costs more than the others.
XID events and PCIe traffic, whose calls block, have samplers of their own.
"""

from operator import is_not

from . import nvidia_links, nvidia_live, nvidia_static
from .cells import Missing, Reading
from .nvml import Device, answers, closed, gpus, held, lost, partitions
from .nvml_quick import Quick

_SLOW_EVERY = 10  # samples
_TOGETHER = 4  # devices that are asked what changes slowly in one sample
_SETTINGS_EVERY = 30  # a multiple of it
_FORGET_EVERY = 60  # what was not supported is asked once more
_PROCESSES_EVERY = _TOTALS_EVERY = 2  # in turns
_COSTS_AT = 3  # the sample after which the cost of every question is measured, once
_PERIODS = {"quick": 1, "slow": _SLOW_EVERY, "settings": _SETTINGS_EVERY, "processes": _PROCESSES_EVERY}  # seconds
_LOST = lost(nvidia_live.METRICS + nvidia_links.GPU_METRICS + ["processes"])


class Sampler:
    period, deadline = 1.0, 8.0
    metrics = {"accelerator": nvidia_static.METRICS + list(_LOST), "link": nvidia_links.METRICS}
    owns = ("accelerator", "link")
    lasting = (*nvidia_static.METRICS, *nvidia_links.LASTING)
    awaited, follows_holders = True, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._nvml = None
        self._versions = {}
        self._gpus = []
        self._quick = {}  # device key -> Quick
        self._slow = {}  # device key -> cells that are asked for now and then
        self._settings = {}  # device key -> cells that are asked for more seldom
        self._links = {}  # device key -> NvLinks
        self._list_sizes = {}
        self._totals = {}  # device key -> cells of what goes over all links together
        self._holders = {}  # device key -> processes on it
        self._counts = {}  # device key -> the cell of how many they are
        self._link_rows = {}  # the rows of all links, joined of
        self._joined = []  # the cells of each NvLinks
        self._kept = (self._quick, self._slow, self._settings, self._links, self._totals, self._holders, self._counts)
        self._samples = 0

    def sample(self) -> Reading:
        try:
            return self._sample()
        except Exception:
            self._close()  # whatever the driver went through, the next sample starts from its front door
            raise

    def _sample(self) -> Reading:
        is_new = self._nvml is None
        self._nvml = held(self._world, self._nvml)
        if is_new:
            self._list_sizes = nvidia_live.list_sizes(self._nvml)
            self._samples = 0
        if self._samples % _SLOW_EVERY == 0:
            self._enumerate()
        accelerators = {}
        for gpu in self._gpus:
            accelerators[gpu.key] = self._gpu(gpu)
            accelerators.update((part.key, self._partition(part)) for part in gpu.partitions)
        self._samples += 1
        details = {"costs": self._costs()} if self._samples == _COSTS_AT else None
        return Reading({"accelerator": accelerators, "link": self._all_links()}, details, self._shown_holders())

    def _all_links(self) -> dict:
        """The very same ones where no device has looked at its links since."""
        known = [of_gpu.cells for of_gpu in self._links.values()]
        if len(known) != len(self._joined) or any(map(is_not, known, self._joined)):
            self._joined, self._link_rows = known, {}
            for cells in known:
                self._link_rows.update(cells)
        return self._link_rows

    def _costs(self) -> list:
        from . import nvidia_costs  # noqa: PLC0415 - needed once, and only where there is a GPU

        return nvidia_costs.rows(self._world, self._nvml, self._gpus, self._list_sizes, _PERIODS)

    def _close(self) -> None:
        if self._nvml is not None:
            closed(self._nvml)
        self._nvml, self._gpus = None, []
        for kept in self._kept:
            kept.clear()

    def _shown_holders(self) -> dict:
        """Who holds what; a process on a MIG instance holds the instance, not its GPU as well. Of what is lost nobody
        can say."""
        shown = dict(self._holders)
        for gpu in self._gpus:
            for device in (gpu, *gpu.partitions) if gpu.partitions else (gpu,):
                if device.key not in shown:
                    shown[device.key] = _LOST["processes"]
            whole = shown[gpu.key]
            if gpu.partitions and isinstance(whole, list):
                on_parts = {holder[0] for part in gpu.partitions for holder in _listed(shown.get(part.key))}
                shown[gpu.key] = [holder for holder in whole if holder[0] not in on_parts]
        return shown

    # -- which devices there are

    def _enumerate(self) -> None:
        before = {gpu.index: gpu for gpu in self._gpus}
        self._versions = nvidia_static.versions(self._nvml)
        self._gpus = [self._met(gpu, before.get(gpu.index)) for gpu in gpus(self._nvml)]
        present = {device.key for gpu in self._gpus for device in [gpu, *gpu.partitions]}
        for kept in self._kept:
            for key in set(kept) - present:
                del kept[key]

    def _met(self, gpu: Device, before: "Device | None") -> Device:
        """A device as it was met before, unless another one has taken its place; its MIG instances as they are now."""
        if before is not None and (gpu.key == before.key or gpu.key.startswith("nvidia:")):
            gpu = before
            if self._samples % _FORGET_EVERY == 0:
                gpu.unsupported = {}
        else:
            gpu.known = nvidia_static.identity(self._nvml, gpu, self._versions)
        if not isinstance(gpu.handle, Missing):
            gpu.partitions = partitions(self._nvml, gpu)
            for part in gpu.partitions:
                part.known = nvidia_static.identity(self._nvml, part, self._versions)
        return gpu

    # -- what they do

    def _gpu(self, gpu: Device) -> tuple:
        """The cells, in parts: most of them are the very same as a tick ago."""
        quick = self._asked_quickly(gpu)
        if quick is None or not self._look_closer(gpu):
            return self._lost(gpu)
        return (
            gpu.known,
            self._settings[gpu.key],
            self._slow[gpu.key],
            self._processes(gpu),
            self._link_totals(gpu),
            *quick,
        )

    def _link_totals(self, gpu: Device) -> dict:
        if gpu.key not in self._totals or self._samples % _TOTALS_EVERY == 0:
            self._totals[gpu.key] = self._links[gpu.key].totals(self._world.monotonic())
        return self._totals[gpu.key]

    def _lost(self, gpu: Device) -> tuple:
        """All that its cells can say; when it is back, it is asked for everything."""
        for kept in (self._slow, self._settings, self._totals, self._holders):
            kept.pop(gpu.key, None)
        if gpu.key in self._links:
            self._links[gpu.key].lose()
        return gpu.known, _LOST

    def _asked_quickly(self, gpu: Device) -> "tuple | None":
        if isinstance(gpu.handle, Missing):
            return None
        if gpu.key not in self._quick:
            self._quick[gpu.key] = Quick(self._nvml, gpu)
        return self._quick[gpu.key].ask()

    def _look_closer(self, gpu: Device) -> bool:
        """What isn't asked at every tick; spread, so that no tick has it all to do. False: it is lost."""
        due = gpu.key not in self._slow or (self._samples + gpu.index // _TOGETHER) % _SLOW_EVERY == 0
        if not due:
            return True
        if not (
            self._renew(gpu, self._slow, nvidia_live.SLOW, _SLOW_EVERY)
            and self._renew(gpu, self._settings, nvidia_live.SETTINGS, _SETTINGS_EVERY)
        ):
            return False
        self._quick[gpu.key].bind()
        if gpu.key not in self._links:
            self._links[gpu.key] = nvidia_links.NvLinks(self._nvml, gpu)
        self._links[gpu.key].look(self._world.monotonic())
        return True

    def _renew(self, gpu: Device, known: dict, questions: tuple, every: int) -> bool:
        """Ask what is due by now. False: the device is lost."""
        if gpu.key in known and (self._samples + gpu.index // _TOGETHER) % every:
            return True
        cells = answers(self._nvml, gpu, questions)
        if cells is not None and known.get(gpu.key) != cells:
            known[gpu.key] = cells
        return cells is not None

    def _partition(self, part: Device) -> tuple:
        cells = answers(self._nvml, part, (nvidia_live.MEMORY,))
        if cells is None:
            self._holders.pop(part.key, None)
            return part.known, _LOST
        return part.known, cells, self._processes(part)

    def _processes(self, device: Device) -> dict:
        if device.key not in self._holders or self._samples % _PROCESSES_EVERY == 1:
            found = self._holders[device.key] = nvidia_live.holders(self._nvml, device.handle, self._list_sizes)
            count = {"processes": found if isinstance(found, Missing) else len(found)}
            if self._counts.get(device.key) != count:
                self._counts[device.key] = count
        return self._counts[device.key]


def _listed(holders) -> list:
    return holders if isinstance(holders, list) else []

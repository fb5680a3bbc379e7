"""What the Neuron driver says of its devices in /sys/devices/virtual/neuron_device: identity, power, neighbours.

Power comes as a share of the most that a device may draw, over the last whole minute; the driver tells no watts.

Driver 2.31 has moved several files, says its user guide ("not backwards compatible"); their names have been the same in
all versions. So a file that isn't at the place that drivers before 2.31 have it is looked for by its name, once for all
devices of a driver: in the tree of the device, without that of its cores. One that two places have is none.
"""

from .cells import FAILED_CODE, NOT_YET_CODE, UNSUPPORTED, Missing, rounded
from .sysfs import attribute

ROOT = "/sys/devices/virtual/neuron_device/"
VERSION = "/sys/module/neuron/version"
_VALID, _NO_DATA = "POWER_STATUS_VALID", "POWER_STATUS_NO_DATA"
_ECC = (("ecc_uncorrected", "mem_ecc_uncorrected"), ("ecc_sram", "sram_ecc_uncorrected"))
_COUNTED = "/total"  # counters are folders of a total and of the last change
_KERNELS_OWN = ("subsystem", "uevent", "power")  # beside what the driver tells
_DEPTH, _MOST_NAMES = 5, 1000


class Sysfs:
    """The files of one node's devices."""

    def __init__(self, world) -> None:
        self._world = world
        self._version: "str | Missing" = UNSUPPORTED
        self._moved = {}  # path within a device's folder -> where this driver has it
        self._paths = None  # of all files of a device, once one wasn't where it was looked for

    def version(self) -> "str | Missing":
        """Of the driver; another one may have other places."""
        version = attribute(self._world, VERSION, keep=False)
        if version != self._version:
            self._version, self._moved, self._paths = version, {}, None
        return version

    def indexes(self) -> "list[int]":
        """Of the devices that the driver has."""
        names = self._names(ROOT)
        return sorted(int(name[6:]) for name in names if name.startswith("neuron") and name[6:].isdigit())

    def text(self, index: int, name: str) -> "str | Missing":
        """One file of a device; an empty one says nothing."""
        root = "%sneuron%d/" % (ROOT, index)
        told = attribute(self._world, root + self._moved.get(name, name), keep=False)
        if told is UNSUPPORTED and name not in self._moved:
            self._moved[name] = self._place(root, name)
            told = attribute(self._world, root + self._moved[name], keep=False)
        return told or UNSUPPORTED

    def figures(self, index: int) -> dict:
        """Power, and the error counters since the driver was loaded, for as long as neuron-monitor tells none."""
        cells: dict = {"ecc_corrected": UNSUPPORTED}
        for metric, name in _ECC:
            count = self.text(index, "stats/hardware/" + name)
            cells[metric] = int(count) if isinstance(count, str) and count.isdigit() else UNSUPPORTED
        cells["power_share"] = power(self.text(index, "stats/power/utilization"))
        return cells

    def _place(self, root: str, name: str) -> str:
        """Where a device of this driver has a file; its old place where it has none, or several of that name."""
        if self._paths is None:
            self._paths = self._walked(root)
        folder, leaf = ("/" + name).split("/")[-2:]
        named = [path for path in self._paths if path.rpartition("/")[2] == leaf]
        alike = [path for path in named if ("/" + path).split("/")[-2] == folder]
        either = alike if len(alike) == 1 else named
        if len(either) != 1:
            return name
        return either[0] + _COUNTED if either[0] + _COUNTED in self._paths else either[0]

    def _walked(self, root: str) -> "list[str]":
        """Paths of the files below a folder, as far as they are the device's own."""
        found, folders = [], [""]
        while folders and len(found) < _MOST_NAMES:
            folder = folders.pop(0)
            for name in self._names(root + folder):
                if name.startswith("neuron_core") or (not folder and name in _KERNELS_OWN):
                    continue
                found.append(folder + name)
                if folder.count("/") < _DEPTH:
                    folders.append(folder + name + "/")
        return found

    def _names(self, folder: str) -> "list[str]":
        try:
            return sorted(self._world.listdir(folder))
        except OSError:  # it is a file, most of all
            return []


def numbers(told: "str | Missing") -> "list[int]":
    """Of "12, 3, 4, 1": the devices at the other ends; none where that isn't told."""
    words = "" if isinstance(told, Missing) else told.replace(",", " ")
    return [int(word) for word in words.split() if word.isdigit()]


def power(told: "str | Missing") -> "float | Missing":
    """The mean in percent, of "POWER_STATUS_VALID,<unix time>,<lowest>,<highest>,<mean>"."""
    if isinstance(told, Missing):
        return told
    words = told.split(",")
    if words[0] == _NO_DATA:
        return Missing(NOT_YET_CODE, "the driver has no whole minute of samples yet")
    try:
        return rounded(float(words[4]), 1) if words[0] == _VALID else Missing(FAILED_CODE, words[0])
    except (IndexError, ValueError):
        return Missing(FAILED_CODE, told)

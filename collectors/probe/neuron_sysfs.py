"""What the Neuron driver says of its devices in /sys/devices/virtual/neuron_device: identity, power, neighbours.

Power comes as a share of the most that a device may draw, over the last whole minute; the driver tells no watts.
Paths are those of the drivers before 2.31, which has moved some files: what isn't there is unsupported.
"""

from .cells import FAILED_CODE, NOT_YET_CODE, UNSUPPORTED, Missing, rounded
from .sysfs import attribute

ROOT = "/sys/devices/virtual/neuron_device/"
VERSION = "/sys/module/neuron/version"
_VALID, _NO_DATA = "POWER_STATUS_VALID", "POWER_STATUS_NO_DATA"
_ECC = (("ecc_uncorrected", "mem_ecc_uncorrected"), ("ecc_sram", "sram_ecc_uncorrected"))


def indexes(world) -> "list[int]":
    """Of the devices that the driver has."""
    try:
        names = world.listdir(ROOT)
    except OSError:
        return []
    return sorted(int(name[6:]) for name in names if name.startswith("neuron") and name[6:].isdigit())


def text(world, index: int, name: str) -> "str | Missing":
    """One file of a device; an empty one says nothing."""
    return attribute(world, "%sneuron%d/%s" % (ROOT, index, name), keep=False) or UNSUPPORTED


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


def figures(world, index: int) -> dict:
    """Power, and the error counters since the driver was loaded, for as long as neuron-monitor tells none."""
    cells: dict = {"ecc_corrected": UNSUPPORTED}
    for metric, name in _ECC:
        count = text(world, index, "stats/hardware/" + name)
        cells[metric] = int(count) if isinstance(count, str) and count.isdigit() else UNSUPPORTED
    cells["power_share"] = power(text(world, index, "stats/power/utilization"))
    return cells

"""One AMD board as its driver's files tell it: what changes slowly, what it does now.

All files lie in the folder of its PCI function; `gpu_metrics` (see the module of that name) tells most of what is asked
for at every tick. Where a board has none of a known layout, single files tell the less that they can, and TABLE_ONLY is
left to `amd_tool`.
"""

import errno

from . import amd_throttle, gpu_metrics, pcie
from .amd_identity import identity, key_of
from .cells import FAILED_CODE, UNSUPPORTED, UNSUPPORTED_CODE, Missing, Rates, from_oserror
from .pci import ROOT
from .sysfs import attribute

SLOW = (
    "mem_total power_limit power_min power_max clock_sm_max clock_mem_max fan ecc_mode ecc_corrected ecc_uncorrected "
    "pages_retired profile pcie_gen pcie_gen_max pcie_width pcie_width_max"
).split()
QUICK = (
    "util mem_util mem_used temp temp_mem temp_margin power energy clock_sm clock_mem pcie_replays throttle "
    "throttle_power_time throttle_thermal_time"
).split()
TABLE_ONLY = ("energy", "throttle", "throttle_power_time", "throttle_thermal_time")
_JOULES = 2.0**-16  # a step of energy_accumulator
_HERTZ, _MICROWATTS, _MILLIDEGREES = 1e6, 1e6, 1e3
_MEGABIT = 125_000  # bytes
_ERRORS_EVERY = 6  # closer looks: for each block, the driver has to ask the firmware
_UMC = 1  # bit of ras/features: the memory controllers
_SENSORS = {"edge": "temp", "junction": "hotspot", "mem": "temp_mem"}


class AmdBoard:
    """`look_closer` asks what changes slowly, `quick` what changes at every tick; both give cells."""

    def __init__(self, world, device, index: int, known: dict) -> None:
        self._world = world
        self._folder = ROOT + device.address + "/"
        self._hwmon, self._sensors = "", {}  # folder of its sensors with a slash; metric -> number
        self._throttle = amd_throttle.Throttle()
        self._critical = UNSUPPORTED  # °C of the hot spot at which it slows itself down
        self._replays = UNSUPPORTED  # those of its file: tables before 1.4 don't count them
        self._errors, self._looks = {}, 0
        self.address = device.address
        self.index = index
        self.known = dict(identity(world, device, index), **known)
        self.key = key_of(world, device)
        self.table, self.metrics = b"", {}  # gpu_metrics as of the last `quick`, and its fields
        self.rates = Rates()

    # -- slowly

    def look_closer(self) -> "tuple[dict, dict]":
        """The cells of SLOW, and those of its PCIe link."""
        self._find_sensors()
        link = pcie.link_cells(self._world, self.address)
        self._critical = self._sensor("hotspot", "crit")
        self._replays = self._number(self._folder + "pcie_replay_count", 1)
        cells = {
            "mem_total": self._number(self._folder + "mem_info_vram_total", 1),
            "power_limit": self._hardware("power1_cap", _MICROWATTS),
            "power_min": self._hardware("power1_cap_min", _MICROWATTS),
            "power_max": self._hardware("power1_cap_max", _MICROWATTS),
            "clock_sm_max": highest_level(self._text("pp_dpm_sclk")),
            "clock_mem_max": highest_level(self._text("pp_dpm_mclk")),
            "fan": self._hardware("pwm1", 2.55),
            "profile": self._partitioned(),
        }
        if self._looks % _ERRORS_EVERY == 0:
            self._errors = self._ecc()
        self._looks += 1
        cells.update(self._errors)
        cells.update(("pcie_" + name, link[name]) for name in ("gen", "gen_max", "width", "width_max"))
        return cells, link

    def _ecc(self) -> dict:
        """Errors of all its blocks since the driver was loaded, and the pages that they cost."""
        features = self._text("ras/features")
        pages = retired_pages(self._text("ras/gpu_vram_bad_pages"))
        mode = features if isinstance(features, Missing) else ras_features(features) & _UMC
        try:
            names = sorted(self._world.listdir(self._folder + "ras"))
        except OSError as error:
            gone = from_oserror(error)
            return {"ecc_mode": mode, "ecc_corrected": gone, "ecc_uncorrected": gone, "pages_retired": pages}
        texts = [self._text("ras/" + name) for name in names if name.endswith("_err_count")]
        counted = [error_count(text) for text in texts if not isinstance(text, Missing)]
        return {
            "ecc_mode": mode,
            "pages_retired": pages,
            "ecc_corrected": sum(corrected for _, corrected in counted) if counted else UNSUPPORTED,
            "ecc_uncorrected": sum(uncorrected for uncorrected, _ in counted) if counted else UNSUPPORTED,
        }

    def _partitioned(self) -> "str | Missing":
        compute, memory = self._text("current_compute_partition"), self._text("current_memory_partition")
        if isinstance(compute, Missing):
            return compute
        return compute if isinstance(memory, Missing) else compute + "/" + memory

    # -- at every tick

    def quick(self) -> dict:
        """The cells of QUICK; without those of TABLE_ONLY where there is no table."""
        try:
            self.table = self._world.read_bytes(self._folder + "gpu_metrics", keep=True)
            self.metrics = gpu_metrics.parse(self.table)
        except OSError as error:
            self.metrics = {}
            if error.errno == errno.EPERM:  # the file is everybody's: it is the driver that says no
                return dict.fromkeys(QUICK, _REFUSED)
        except ValueError:
            self.metrics = {}
        if self.metrics:
            cells = from_table(self.metrics, self._critical)
            cells.update(self._throttle.cells(self.metrics, self._critical))
        else:
            cells = self._from_files()
        cells["mem_used"] = self._number(self._folder + "mem_info_vram_used", 1)
        if isinstance(cells["pcie_replays"], Missing):
            cells["pcie_replays"] = self._replays
        return cells

    def _from_files(self) -> dict:
        """As `from_table`, from one file a value."""
        hotspot = self._sensor("hotspot", "input")
        edge = self._sensor("temp", "input")
        power = self._hardware("power1_average", _MICROWATTS)
        return {
            "util": self._number(self._folder + "gpu_busy_percent", 1),
            "mem_util": self._number(self._folder + "mem_busy_percent", 1),
            "temp": hotspot if isinstance(edge, Missing) else edge,
            "temp_mem": self._sensor("temp_mem", "input"),
            "temp_margin": margin(self._critical, hotspot),
            "power": (self._hardware("power1_input", _MICROWATTS) if isinstance(power, Missing) else power)
            or _NO_POWER,
            "clock_sm": self._hardware("freq1_input", _HERTZ),
            "clock_mem": self._hardware("freq2_input", _HERTZ),
            "pcie_replays": UNSUPPORTED,
        }

    # -- files

    def _find_sensors(self) -> None:
        """They move to another folder when the driver is loaded again."""
        folder = _hwmon(self._world, self._folder)
        if folder == self._hwmon:
            return
        self._hwmon, self._sensors = folder, {}
        for number in (1, 2, 3):
            label = attribute(self._world, "%stemp%d_label" % (folder, number), keep=False)
            if not isinstance(label, Missing) and label in _SENSORS:
                self._sensors[_SENSORS[label]] = number

    def _sensor(self, name: str, what: str) -> "int | Missing":
        number = self._sensors.get(name)
        return UNSUPPORTED if number is None else self._hardware("temp%d_%s" % (number, what), _MILLIDEGREES)

    def _hardware(self, name: str, unit: float) -> "int | Missing":
        return self._number(self._hwmon + name, unit) if self._hwmon else UNSUPPORTED

    def _number(self, path: str, unit: float) -> "int | Missing":
        text = attribute(self._world, path)
        if isinstance(text, Missing):
            return text
        try:
            return int(int(text) / unit + 0.5)
        except ValueError:
            return Missing(FAILED_CODE, text)

    def _text(self, name: str) -> "str | Missing":
        return attribute(self._world, self._folder + name, keep=False)


def from_table(table: dict, critical: "int | Missing") -> dict:
    """Cells of a parsed gpu_metrics. `critical`: °C at which the hot spot makes it slow down."""
    hotspot = table.get("temperature_hotspot", UNSUPPORTED)
    clocks = [clock for clock in table.get("current_gfxclk", ()) if clock is not None]
    return {
        "util": table.get("average_gfx_activity", UNSUPPORTED),
        "mem_util": table.get("average_umc_activity", UNSUPPORTED),
        "temp": table.get("temperature_edge", hotspot),
        "temp_mem": table.get("temperature_mem", UNSUPPORTED),
        "temp_margin": margin(critical, hotspot),
        "power": table.get("curr_socket_power") or _NO_POWER,
        "energy": int(table.get("energy_accumulator", 0) * _JOULES) or _NO_ENERGY,
        "clock_sm": sum(clocks) // len(clocks) if clocks else UNSUPPORTED,
        "clock_mem": table.get("current_uclk", UNSUPPORTED),
        "pcie_replays": table.get("pcie_replay_count_acc", UNSUPPORTED),
    }


def traffic(table: dict) -> "int | Missing":
    """Bytes a second over the PCIe link, both ways together; of a parsed gpu_metrics.

    AMD SMI hands the number on as Mb/s (amdsmi.h, pcie_bandwidth; its changelog shows 18 on a link of 63 GB/s); the
    kernel's header calls it GB/s.
    """
    told = [part for part in table.get("pcie_bandwidth_inst", ()) if part is not None]
    return sum(told) * _MEGABIT if told else UNSUPPORTED


# boards that don't measure say 0: the second die of an MI250, all Radeons for energy
_NO_POWER = Missing(UNSUPPORTED_CODE, "the board gives no figure; of a package with two dies, the first one tells")
_NO_ENERGY = Missing(UNSUPPORTED_CODE, "the board doesn't count it")
_REFUSED = Missing(FAILED_CODE, "the driver refuses: the board is being reset, or sleeps")


def margin(critical: "int | Missing", hotspot: "int | Missing") -> "int | Missing":
    if isinstance(hotspot, Missing):
        return hotspot
    return critical if isinstance(critical, Missing) else critical - hotspot


def highest_level(text: "str | Missing") -> "int | Missing":
    """MHz, of a file pp_dpm_*: "1: 2100Mhz *" and so on, a level a line."""
    if isinstance(text, Missing):
        return text
    clocks = [line.partition(":")[2].lower().partition("mhz")[0].strip() for line in text.splitlines()]
    known = [int(clock) for clock in clocks if clock.isdigit()]
    return max(known) if known else UNSUPPORTED


def retired_pages(text: "str | Missing") -> "int | Missing":
    """Of ras/gpu_vram_bad_pages, "address : size : R" a line; P waits to be retired, F could not be."""
    if isinstance(text, Missing):
        return text
    return sum(line.rpartition(":")[2].strip() == "R" for line in text.splitlines())


def ras_features(text: str) -> int:
    """The mask of ras/features, "feature mask: 0x41d"; 0 where it isn't one."""
    word = text.partition("0x")[2].split()
    return int(word[0], 16) if word else 0


def error_count(text: str) -> "tuple[int, int]":
    """Uncorrected and corrected errors of a file ras/*_err_count, "ue: 0" and "ce: 12"."""
    counts = dict(line.replace(" ", "").split(":", 1) for line in text.splitlines() if ":" in line)
    return int(counts.get("ue", "0")), int(counts.get("ce", "0"))


def _hwmon(world, folder: str) -> str:
    """Folder of its sensors, with a slash; "" where there is none."""
    try:
        names = world.listdir(folder + "hwmon")
    except OSError:
        return ""
    return "%shwmon/%s/" % (folder, min(names)) if names else ""

"""Why an AMD board holds its clocks down, in the bits of the metric `throttle`, and for how long. Pure but for memory.

Three generations tell it in three ways: Radeon and Instinct up to MI200 as a mask that is the same for all of them,
the first MI300 drivers as a mask of their own, later ones as counters of the milliseconds spent under each limit.
"""

from .cells import NOT_YET, UNSUPPORTED, UNSUPPORTED_CODE, Missing

# watchfloor.metrics.THROTTLE_REASONS
POWER_CAP, SLOWDOWN, THERMAL, HOT = 0x4, 0x8, 0x20, 0x40

# amdgpu_smu.h, SMU_THROTTLER_*_BIT: first and last bit -> ours
_BITS = (
    (0, 7, POWER_CAP),  # PPT0-3, SPL, FPPT, SPPT: package power
    (16, 23, POWER_CAP),  # TDC, EDC, APCC: current
    (32, 43, THERMAL),  # TEMP_*
    (44, 47, HOT),  # VRHOT0-1, PROCHOT_CPU, PROCHOT_GFX
    (56, 56, POWER_CAP),  # PPM
    (57, 57, SLOWDOWN),  # FIT: voltage limit for reliability
)
_HOTSPOT = 1 << 36
_HOTSPOT_NEAR = 15  # °C below its critical temperature
# smu_v13_0_6_ppt.h, THROTTLER_*_BIT
_MI300_BITS = ((0, 0, HOT), (1, 1, POWER_CAP), (2, 4, THERMAL))
_RESIDENCIES = (
    ("prochot_residency_acc", HOT),
    ("ppt_residency_acc", POWER_CAP),
    ("socket_thm_residency_acc", THERMAL),
    ("vr_thm_residency_acc", THERMAL),
    ("hbm_thm_residency_acc", THERMAL),
)
_POWER, _HEAT = ("ppt_residency_acc",), ("socket_thm_residency_acc", "vr_thm_residency_acc", "hbm_thm_residency_acc")
_MIRRORED = Missing(UNSUPPORTED_CODE, "its counters of throttling only repeat the clock that they are measured with")


class Throttle:
    """The limits of one board; remembers the counters of the last call."""

    def __init__(self) -> None:
        self._last = None  # residencies

    def cells(self, table: dict, critical: "int | Missing") -> dict:
        """throttle and its two times, of a parsed gpu_metrics. `critical`: °C at which it slows itself down."""
        if "accumulation_counter" in table:
            return self._counted(table)
        if "indep_throttle_status" in table:
            mask = translated(_without_false_alarm(table, critical), _BITS)
        elif "throttle_status" in table:
            mask = translated(table["throttle_status"], _MI300_BITS)
        else:
            mask = UNSUPPORTED
        return {"throttle": mask, "throttle_power_time": UNSUPPORTED, "throttle_thermal_time": UNSUPPORTED}

    def _counted(self, table: dict) -> dict:
        now, before = {name: table.get(name) for name, _ in _RESIDENCIES}, self._last
        if mirrored(table):
            return {"throttle": _MIRRORED, "throttle_power_time": _MIRRORED, "throttle_thermal_time": _MIRRORED}
        self._last = now
        return {
            "throttle": NOT_YET if before is None else _grown(before, now),
            "throttle_power_time": seconds(table, _POWER),
            "throttle_thermal_time": seconds(table, _HEAT),
        }


def translated(mask: int, bits: tuple) -> int:
    """A mask of AMD's in our bits."""
    found = 0
    for first, last, ours in bits:
        if mask >> first & (1 << last - first + 1) - 1:
            found |= ours
    return found


def mirrored(table: dict) -> bool:
    """Some firmware counts power and heat as always limited, at idle as well: no counter then means anything."""
    ticks = table["accumulation_counter"]
    return ticks > 0 and all(table.get(name) == ticks for name in ("ppt_residency_acc", "socket_thm_residency_acc"))


def seconds(table: dict, names: "tuple[str, ...]") -> "float | Missing":
    """The longest of some residencies, which count milliseconds and may run at once."""
    counted = [table[name] for name in names if name in table]
    return round(max(counted) / 1000, 1) if counted else UNSUPPORTED


def _grown(before: dict, now: dict) -> int:
    found = 0
    for name, ours in _RESIDENCIES:
        if now[name] is not None and before[name] is not None and now[name] > before[name]:
            found |= ours
    return found


def _without_false_alarm(table: dict, critical: "int | Missing") -> int:
    """Firmware of several Radeons reports the hot spot at all times: it counts only where it is near its limit."""
    mask, hotspot = table["indep_throttle_status"], table.get("temperature_hotspot")
    if hotspot is None or isinstance(critical, Missing) or hotspot >= critical - _HOTSPOT_NEAR:
        return mask
    return mask & ~_HOTSPOT

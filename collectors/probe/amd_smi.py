"""The JSON of amd-smi, of ROCm 6.0 to 7.x, as cells. Pure: text in, cells out.

A document is a list of one entry a GPU, or since 7.0 such a list under "gpu_data"; an entry holds whichever sections
were asked for. A reading is {"value": 234, "unit": "W"}, a bare number, or "N/A", also in place of a section.
"MB" is 2^20 bytes. Must not do: run the tool.
"""

import json
import re

from .amd_throttle import HOT, POWER_CAP, THERMAL
from .cells import UNSUPPORTED, UNSUPPORTED_CODE, Missing

_UNITS = {
    "KB": 2**10, "MB": 2**20, "GB": 2**30, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "GT/S": 1,
    "MT/S": 1e-3, "KW": 10**3, "GHZ": 10**3,
}  # fmt: skip
_GENERATIONS = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}  # GT/s
_THROTTLED = Missing(UNSUPPORTED_CODE, "throttled; amd-smi doesn't tell why, and of some Radeons it always says so")
_VIOLATIONS = (("prochot", HOT), ("ppt", POWER_CAP), ("socket_thermal", THERMAL), ("vr_thermal", THERMAL),
               ("hbm_thermal", THERMAL))  # fmt: skip
_JSON = re.compile(r"^[\[{]", re.MULTILINE)
_NOW = ("clk", "current_clk")
_LISTS = ("gpu_data", "xgmi_metric", "gpu_list", "process_info", "data")
# cell, section, and the names that its reading has had
_READINGS = (
    ("util", "usage", ("gfx_activity",)),
    ("mem_util", "usage", ("umc_activity",)),
    ("power", "power", ("socket_power", "current_socket_power", "average_socket_power")),
    ("temp_mem", "temperature", ("mem",)),
    ("pcie_width", "pcie", ("width", "current_lanes", "pcie_width")),
    ("pcie_replays", "pcie", ("replay_count",)),
    ("ecc_corrected", "ecc", ("total_correctable_count", "total_correctable", "correctable")),
    ("ecc_uncorrected", "ecc", ("total_uncorrectable_count", "total_uncorrectable", "uncorrectable")),
    ("energy", "energy", ("total_energy_consumption", "total_energy")),
    ("mem_total", "mem_usage", ("total_vram",)),
    ("mem_used", "mem_usage", ("used_vram",)),
    ("mem_total", "vram", ("size", "vram_size", "vram_size_mb")),
    ("pcie_width_max", "bus", ("max_pcie_width", "max_pcie_lanes")),
    ("power_max", "limit", ("max_power", "max_power_limit")),
    ("power_min", "limit", ("min_power", "min_power_limit")),
    ("power_limit", "limit", ("socket_power", "socket_power_limit", "current_power_limit")),
)
_TEXTS = (
    ("model", "asic", ("market_name",)),
    ("serial", "board", ("product_serial",)),
    ("board", "board", ("model_number", "amdsmi_model_number")),
    ("firmware", "vbios", ("version", "vbios_version", "part_number")),
    ("firmware", "ifwi", ("version", "part_number")),
    ("driver", "driver", ("version", "driver_version")),
    ("bus_id", "bus", ("bdf",)),
)


def decoded(text: str):
    """The JSON within an output, which may begin with warnings. Raises ValueError."""
    trouble = ValueError("no JSON in the output")
    for start in (found.start() for found in _JSON.finditer(text)):
        try:
            return json.JSONDecoder().raw_decode(text, start)[0]
        except ValueError as error:  # a warning may begin with a bracket, too
            trouble = error
    raise trouble


def entries(document) -> "list[dict]":
    """The entries of GPUs in a document; none where it is something else."""
    if isinstance(document, dict):
        named = next((document[name] for name in _LISTS if isinstance(document.get(name), list)), None)
        document = [document] if named is None else named
    listed = document if isinstance(document, list) else []
    return [entry for entry in listed if isinstance(entry, dict) and ("gpu" in entry or "gpu_id" in entry)]


def number(reading) -> "float | Missing":
    """A reading in the catalogue's unit."""
    value, unit = (reading.get("value"), reading.get("unit")) if isinstance(reading, dict) else (reading, "")
    if isinstance(value, str):
        word, _, tail = value.strip().partition(" ")
        value, unit = _parsed(word), unit or tail
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return UNSUPPORTED
    return value * _UNITS.get(str(unit).strip().upper(), 1)


def _parsed(word: str) -> "float | None":
    try:
        return float(word) if "." in word else int(word)
    except ValueError:
        return None


def text(reading) -> "str | Missing":
    return reading if isinstance(reading, str) and reading not in ("", "N/A", "UNKNOWN") else UNSUPPORTED


def uuid(entry: dict) -> "str | Missing":
    """As ROCr says it, of the serial number of the ASIC, or of amd-smi's own form, in which that is hidden."""
    serial = str(_section(entry, "asic").get("asic_serial", ""))
    if _is_hex(serial.lower().replace("0x", "")):
        return "GPU-%016x" % int(serial, 16)
    words = str(entry.get("uuid", "")).split("-")
    if [len(word) for word in words] == [8, 4, 4, 4, 12] and all(_is_hex(word) for word in words):
        return "GPU-" + words[0][:2] + words[3][2:] + words[4]
    return UNSUPPORTED


def _is_hex(word: str) -> bool:
    return bool(word) and all(letter in "0123456789abcdef" for letter in word.lower())


def cells(entry: dict) -> dict:
    """Cells of an accelerator: of those that its sections tell of."""
    found = {}
    for name, section, names in _READINGS:
        if section in entry:
            _keep(found, name, _first(_section(entry, section), names, number))
    for name, section, names in _TEXTS:
        if section in entry:
            _keep(found, name, _first(_section(entry, section), names, text))
    for section, more in _SECTIONS.items():
        if section in entry:
            for name, value in more(_section(entry, section)).items():
                _keep(found, name, value)
    if "bdf" in entry:
        found["bus_id"] = str(entry["bdf"]).lower()
    if isinstance(uuid(entry), str):
        found["uuid"] = uuid(entry)
    return _without_nothings(found)


def live(entry: dict) -> dict:
    """What a board's files don't tell without their table: energy and throttling."""
    told = cells(entry)
    names = ("energy", "throttle", "throttle_power_time", "throttle_thermal_time")
    return {name: told.get(name, UNSUPPORTED) for name in names}


def _section(entry: dict, name: str) -> dict:
    """A section; empty where "N/A" stands in its place."""
    found = entry.get(name)
    return found if isinstance(found, dict) else {}


def _first(section: dict, names: "tuple[str, ...]", read):
    return next((read(section[name]) for name in names if name in section), UNSUPPORTED)


def _keep(found: dict, name: str, value) -> None:
    """A value stands against a reason that came before it."""
    known = found.get(name)
    if known is None or (isinstance(known, Missing) and not isinstance(value, Missing)):
        found[name] = value


def _without_nothings(found: dict) -> dict:
    """Zeroes that mean that nothing is measured: the energy of Radeons, the power of a package's second die."""
    for name, words in (("energy", "the board doesn't count it"), ("power", "the board gives no figure")):
        if found.get(name) == 0:
            found[name] = Missing(UNSUPPORTED_CODE, words)
    return found


def _clocks(section: dict) -> dict:
    """gfx_0 to gfx_7 are the dies of a package; mem_0 the memory."""
    dies = [_section(section, name) for name in sorted(section) if name.startswith("gfx")]
    now, best = ([value for value in _known(dies, names) if value] for names in (_NOW, ("max_clk",)))
    memory = _section(section, "mem_0") or _section(section, "mem")
    found = {
        "clock_sm": round(sum(now) / len(now)) if now else UNSUPPORTED,
        "clock_sm_max": max(best) if best else UNSUPPORTED,
    }
    if memory:
        found["clock_mem"] = _first(memory, _NOW, number)
        found["clock_mem_max"] = number(memory.get("max_clk")) or UNSUPPORTED
    return found


def _known(sections: "list[dict]", names: "tuple[str, ...]") -> "list[float]":
    """The readings of one name in some sections, where there are any."""
    readings = [_first(section, names, number) for section in sections]
    return [reading for reading in readings if not isinstance(reading, Missing)]


def _temperatures(section: dict) -> dict:
    """MI300 and later have no sensor at the edge."""
    edge, hotspot = number(section.get("edge")), number(section.get("hotspot"))
    return {"temp": hotspot if isinstance(edge, Missing) else edge}


def _pcie(section: dict) -> dict:
    rate = _first(section, ("speed", "current_speed", "pcie_speed"), number)
    return {"pcie_gen": UNSUPPORTED if isinstance(rate, Missing) else _GENERATIONS.get(rate, UNSUPPORTED)}


def _bus(section: dict) -> dict:
    rate = _first(section, ("max_pcie_speed",), number)
    return {"pcie_gen_max": UNSUPPORTED if isinstance(rate, Missing) else _GENERATIONS.get(rate, UNSUPPORTED)}


def _fan(section: dict) -> dict:
    share, speed, most = (number(section.get(name)) for name in ("usage", "speed", "max"))
    if isinstance(share, Missing) and not isinstance(speed, Missing) and not isinstance(most, Missing) and most:
        share = 100 * speed / most
    return {"fan": share if isinstance(share, Missing) else round(share)}


def _power(section: dict) -> dict:
    """Up to MI200 only whether it is throttled."""
    status = section.get("throttle_status")
    known = {"UNTHROTTLED": 0, "THROTTLED": _THROTTLED}
    return {"throttle": known[status]} if status in known else {}


def _throttle(section: dict) -> dict:
    """From MI300 on: which limit was hit lately, and for how many milliseconds each was in all."""
    states = [(str(section.get(name + "_violation_status", "N/A")), bit) for name, bit in _VIOLATIONS]
    mask = sum({bit for state, bit in states if state == "ACTIVE"})
    power = number(section.get("ppt_accumulated"))
    heat = [_known([section], (name + "_thermal_accumulated",)) for name in ("socket", "vr", "hbm")]
    known = [value for values in heat for value in values]
    return {
        "throttle": mask if any(state in ("ACTIVE", "NOT ACTIVE") for state, _ in states) else UNSUPPORTED,
        "throttle_power_time": power if isinstance(power, Missing) else power / 1000,
        "throttle_thermal_time": max(known) / 1000 if known else UNSUPPORTED,
    }


def _limits(section: dict) -> dict:
    """Since 7.2 the limits stand under ppt0 (and ppt1, a second, shorter window)."""
    inner = _section(section, "ppt0")
    pairs = (("power_max", "max_power_limit"), ("power_min", "min_power_limit"), ("power_limit", "socket_power_limit"))
    return {name: number(inner[key]) for name, key in pairs if key in inner}


def _partition(section: dict) -> dict:
    compute = _first(section, ("accelerator_partition", "compute_partition"), text)
    memory = text(section.get("memory_partition"))
    joined = compute if isinstance(memory, Missing) or isinstance(compute, Missing) else compute + "/" + memory
    return {"profile": joined}


def _ras(section: dict) -> dict:
    state = _section(section, "ecc_block_state").get("UMC", _section(section, "ecc_block_state").get("umc"))
    return {"ecc_mode": {"ENABLED": 1, "DISABLED": 0}.get(str(state), UNSUPPORTED)}


_SECTIONS = {
    "clock": _clocks,
    "temperature": _temperatures,
    "pcie": _pcie,
    "bus": _bus,
    "fan": _fan,
    "power": _power,
    "throttle": _throttle,
    "limit": _limits,
    "partition": _partition,
    "ras": _ras,
}

"""The JSON of rocm-smi, ROCm 4.3 to 6.x, as cells. Pure: text in, cells out.

An object of flat objects, "card0", "card1" … and "system"; all values are strings, and their keys carry the unit and
changed their wording over the years. Must not do: run the tool.
"""

import json
import re

from .cells import UNSUPPORTED, UNSUPPORTED_CODE, Missing

# cell, wordings of its key (without case), factor
_NUMBERS = (
    ("util", ("gpu use (%)",), 1),
    ("mem_util", ("gpu memory read/write activity (%)", "gpu memory use (%)"), 1),
    ("temp", ("temperature (sensor edge) (c)",), 1),
    ("temp_mem", ("temperature (sensor memory) (c)",), 1),
    ("power", ("current socket graphics package power (w)", "average graphics package power (w)",
               "average socket power (w)"), 1),
    ("power_limit", ("max graphics package power (w)",), 1),
    ("energy", ("accumulated energy (uj)",), 1e-6),
    ("clock_sm", ("sclk clock speed:", "sclk clock speed"), 1),
    ("clock_mem", ("mclk clock speed:", "mclk clock speed"), 1),
    ("fan", ("fan speed (%)",), 1),
    ("mem_total", ("vram total memory (b)",), 1),
    ("mem_used", ("vram total used memory (b)",), 1),
    ("pcie_replays", ("pcie replay count",), 1),
)  # fmt: skip
_TEXTS = (
    ("model", ("card series",)),
    ("serial", ("serial number",)),
    ("board", ("card sku",)),
    ("firmware", ("vbios version",)),
    ("profile", ("compute partition",)),
)
_GENERATIONS = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}  # GT/s
_NOTHING = ("", "N/A", "NONE", "UNKNOWN")
_LIVE = ("energy", "throttle", "throttle_power_time", "throttle_thermal_time")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def cards(text: str) -> "dict[str, dict[str, str]]":
    """The cards of an output by name, keys in lower case. Raises ValueError."""
    document = json.loads(text[max(0, text.find("{")) :])
    if not isinstance(document, dict):
        raise ValueError("no object of cards")
    return {
        name: {key.lower(): str(value).strip() for key, value in card.items()}
        for name, card in document.items()
        if name.startswith("card") and isinstance(card, dict)
    }


def cells(card: "dict[str, str]") -> dict:
    """Cells of an accelerator; `card` with its keys in lower case."""
    found = {}
    for name, wordings, factor in _NUMBERS:
        for value in _told(card, wordings):
            found[name] = number(value, factor)
    for name, wordings in _TEXTS:
        for value in _told(card, wordings):
            found[name] = UNSUPPORTED if value.upper() in _NOTHING or value.startswith("0x") or value == "0" else value
    found.update(_identity(card))
    found.update(_pcie(card))
    hotspot = card.get("temperature (sensor junction) (c)")
    if hotspot is not None and isinstance(found.get("temp", UNSUPPORTED), Missing):
        found["temp"] = number(hotspot)
    for name, words in (("energy", "the board doesn't count it"), ("power", "the board gives no figure")):
        if found.get(name) == 0:
            found[name] = Missing(UNSUPPORTED_CODE, words)
    return found


def live(told: dict) -> dict:
    """What a board's files don't tell without their table; of its cells."""
    return {name: told.get(name, UNSUPPORTED) for name in _LIVE}


def number(value: str, factor: float = 1) -> "float | Missing":
    """Of "41.0", "(300Mhz)", "N/A (Secondary die)": with the reason where one is told."""
    if value.upper().startswith("N/A"):
        return Missing(UNSUPPORTED_CODE, value[3:].strip(" ()"))
    match = _NUMBER.search(value)
    if match is None:
        return UNSUPPORTED
    digits = float(match.group()) * factor
    return int(digits) if digits == int(digits) else digits


def _told(card: "dict[str, str]", wordings: "tuple[str, ...]") -> "list[str]":
    """The value of the first wording that the card has; in a list, empty where it has none."""
    return [card[key] for key in wordings if key in card][:1]


def _identity(card: "dict[str, str]") -> dict:
    found = {}
    unique, address = card.get("unique id", "N/A"), card.get("pci bus", "N/A")
    if unique.startswith("0x") and int(unique, 16):
        found["uuid"] = "GPU-%016x" % int(unique, 16)
    if ":" in address:
        found["bus_id"] = address.lower()
    return found


def _pcie(card: "dict[str, str]") -> dict:
    """Of "1 (16.0GT/s x16)": the level, what it means."""
    level = card.get("pcie clock level", "")
    if "GT/s" not in level:
        return {}
    rate, _, width = level.partition("(")[2].rstrip(")").partition("GT/s")
    return {"pcie_gen": _GENERATIONS.get(rate.strip(), UNSUPPORTED), "pcie_width": number(width)}

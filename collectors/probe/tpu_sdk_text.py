"""What libtpu's monitoring library says, as values. Pure.

All its data are lists of texts, in formats of each metric's own: "20.00" by core, "1-1" as device and score,
"tray1.chip3.ici0.int: 0" by link. Data are empty while no program uses the chips.
"""

import json
import re

_LINK = re.compile(r"^(?:tray(\d+)\.)?chip(\d+)\.ici(\d+)(?:\.(\w+))?\s*:\s*(\d+)$")
_SCORE = re.compile(r"^(\d+)-(\d+)$")
UNUSABLE = 10  # health of a link; 0 good, 1-5 transient, 6-9 persistent
NAMES = ("tensorcore_util", "tpu_throttle_score", "ici_link_health")
# Runs in a process of its own: it maps the whole of libtpu. Without the variable it asks the metadata server of the
# cloud first, for half a minute a metric where there is none.
SCRIPT = """
import json, os
os.environ["TPU_SKIP_MDS_QUERY"] = "1"
import libtpu
from libtpu.sdk import tpumonitoring
def told(name):
    try:
        return [str(value) for value in tpumonitoring.get_metric(name).data()]
    except Exception as error:
        return str(error)
names = %r
print(json.dumps({"libtpu": getattr(libtpu, "__version__", ""), "metrics": {name: told(name) for name in names}}))
""" % (NAMES,)


class Link:
    """One ICI link: where it is, and its health from 0 (good) to 10 (unusable)."""

    __slots__ = ("chip", "health", "number", "side", "tray")

    def __init__(self, tray: int, chip: int, number: int, side: str, health: int) -> None:
        self.tray = tray
        self.chip = chip
        self.number = number
        self.side = side
        self.health = health


def answer(output: str) -> dict:
    """What the script printed: its last line; libtpu prints before. Raises ValueError."""
    lines = output.strip().splitlines()
    return json.loads(lines[-1] if lines else "")


def percentages(data: "list[str]") -> "list[float]":
    """By core. Raises ValueError."""
    return [float(text.strip().rstrip("%")) for text in data]


def throttled(data: "list[str]") -> "dict[int, int]":
    """Device -> how far it is held back, in percent; a score of 1 is 10 %."""
    scores = (_SCORE.match(text.strip()) for text in data)
    return {int(score.group(1)): int(score.group(2)) * 10 for score in scores if score}


def links(data: "list[str]") -> "list[Link]":
    """In the order of tray, chip and port; what isn't of this form is left out."""
    found = (_LINK.match(text.strip()) for text in data)
    made = [
        Link(int(tray or 0), int(chip), int(number), side or "", int(health))
        for tray, chip, number, side, health in (link.groups() for link in found if link)
    ]
    return sorted(made, key=lambda link: (link.tray, link.chip, link.number))

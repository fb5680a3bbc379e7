"""The XID catalogue: what each source says that a code asks for, and what that comes to. Data: xids.tsv."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path

USUAL = "nvidia"
_EVERY = "*"
_NVLINK5 = "WORKFLOW_NVLINK5_ERR"


class Weight(IntEnum):
    """What an action comes to."""

    IGNORE = 0
    ATTENTION = 1  # the application is to be restarted, or somebody is to look
    FATAL = 2  # the GPU or the node must be reset, or exchanged


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one source says of one code."""

    source: str
    action: str  # in the source's word
    then: str = ""  # what is to be looked into afterwards
    meaning: str = ""

    @property
    def note(self) -> str:
        """What the source adds; the usual one's is what the code means, which is told anyway."""
        return "" if self.source == USUAL else self.meaning

    @property
    def words(self) -> str:
        return WORDS.get(self.action, (Weight.ATTENTION, self.action.lower()))[1]

    def weight(self, severe: bool) -> Weight:
        """`severe`: the driver calls this very event fatal, which decides where the catalogue leaves it open."""
        if self.action == _NVLINK5:
            return Weight.FATAL if severe else Weight.ATTENTION
        return WORDS.get(self.action, (Weight.ATTENTION, ""))[0]


# what each action comes to, and how it is said
WORDS: Mapping[str, tuple[Weight, str]] = {
    "IGNORE": (Weight.IGNORE, "ignore it"),
    "PASS": (Weight.IGNORE, "pass"),
    "RESTART_APP": (Weight.ATTENTION, "restart the application"),
    "RESTART_VM": (Weight.ATTENTION, "restart the virtual machine"),
    "WORKFLOW_XID_45": (Weight.ATTENTION, "restart the application; ignore it beside another XID"),
    "CONTACT_SUPPORT": (Weight.ATTENTION, "contact support"),
    "CHECK_MECHANICALS": (Weight.ATTENTION, "check power cables and seating"),
    "CHECK_UVM": (Weight.ATTENTION, "look for another XID; check the application's memory"),
    "CHECK_USER_APP": (Weight.ATTENTION, "check the application"),
    "UPDATE_SWFW": (Weight.ATTENTION, "update software and firmware"),
    "XID_154_EVAL": (Weight.ATTENTION, "do what XID 154 asks for; without one, restart the application"),
    "SYMPATHETIC_REPORT_SOLO": (Weight.ATTENTION, "look for another XID; without one, contact support"),
    "CHECK_NVLINK_FAILURE_FLOW": (Weight.ATTENTION, "look for a link that went down; without one, contact support"),
    "REPORT_ISSUE": (Weight.ATTENTION, "contact support where it comes more than once a day"),
    "INVESTIGATE_LINK_SI": (Weight.ATTENTION, "check the signal of the link"),
    "INVESTIGATE_LINK_SI_AND_CABLES": (Weight.ATTENTION, "check the link's signal and cables"),
    "INVESTIGATE_PEER_DEVICE": (Weight.ATTENTION, "look at the device at the other end"),
    "INVESTIGATE_SW_USER": (Weight.ATTENTION, "find out whether somebody took the link down"),
    "INVESTIGATE_HOST": (Weight.ATTENTION, "look at the host"),
    "INVESTIGATE_SW": (Weight.ATTENTION, "look into the software"),
    "CHECK_APP/CUDA": (Weight.ATTENTION, "check the application and its use of CUDA"),
    "WORKFLOW_XID_13": (Weight.ATTENTION, "see whether it comes again in the same place"),
    "WORKFLOW_XID_31": (Weight.ATTENTION, "see whether it comes again on the same GPU"),
    "XID_137_FLOW": (Weight.ATTENTION, "check the application's access to other GPUs"),
    "Solo: RESTART_FM Not Solo: IGNORE (follow other Xid)": (
        Weight.ATTENTION,
        "restart the fabric manager where it comes alone",
    ),
    "IGNORE (sympathetic)": (Weight.IGNORE, "ignore it where it follows from another XID"),
    "N/A Informational only regarding another Xid": (Weight.ATTENTION, "look for the XID that it speaks of"),
    "NONE_NAMED": (Weight.ATTENTION, "no action named"),
    "WARN": (Weight.ATTENTION, "a warning"),
    "NON_CRITICAL": (Weight.ATTENTION, "not critical"),
    "XID_154": (Weight.FATAL, "do what it names"),
    "WORKFLOW_XID_48": (Weight.FATAL, "drain it, then reset the GPU"),
    "WORKFLOW_NVLINK_ERR": (Weight.FATAL, "drain it, reset the GPU, check its links"),
    _NVLINK5: (Weight.FATAL, "drain it and reset the GPU, where the driver calls the error fatal"),
    "RESET_GPU": (Weight.FATAL, "reset the GPU"),
    "RESTART_BM": (Weight.FATAL, "reboot the node"),
    "REBOOT": (Weight.FATAL, "reboot the node"),
    "HARDWARE_INSPECTION": (Weight.FATAL, "have the hardware inspected"),
    "ISOLATE": (Weight.FATAL, "take it out of service"),
    "ERROR": (Weight.FATAL, "an error"),
    "FAIL": (Weight.FATAL, "the node fails its check"),
    "CRITICAL": (Weight.FATAL, "critical"),
}


@cache
def sources() -> tuple[str, ...]:
    """Whose opinions there are, the usual one first."""
    return tuple(dict.fromkeys([USUAL, *(opinion.source for _, opinion in _rows())]))


@cache
def opinions(code: int) -> tuple[Opinion, ...]:
    """What every source says of a code; what it says of all others where it doesn't name it."""
    found = {opinion.source: opinion for name, opinion in _rows() if name == _EVERY}
    found |= {opinion.source: opinion for name, opinion in _rows() if name == str(code)}
    return tuple(found[source] for source in sources() if source in found)


@cache
def opinion(code: int, source: str) -> Opinion:
    """What the chosen source says; the usual one where it doesn't; that nobody knows the code, where none does."""
    said = {one.source: one for one in opinions(code)}
    return said.get(source) or said.get(USUAL) or Opinion("", "NONE_NAMED")


@cache
def meaning(code: int) -> str:
    """What the code stands for, "" where NVIDIA's catalogue doesn't have it."""
    return next((one.meaning for one in opinions(code) if one.source == USUAL), "")


@cache
def _rows() -> tuple[tuple[str, Opinion], ...]:
    return tuple(_read((Path(__file__).parent / "checks" / "xids.tsv").read_text("utf-8")))


def _read(text: str) -> Iterator[tuple[str, Opinion]]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for line in lines[1:]:
        code, source, action, then, told = line.split("\t")
        yield code, Opinion(source, action, then, told)

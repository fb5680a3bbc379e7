"""What the registers of an NVLink XID say: 74 on Hopper (xid74.tsv), 144 to 150 on Blackwell (nvlink5.tsv). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from watchfloor.events import Entry
from watchfloor.xidlist import WORDS, Weight

NVLINK, NVLINK5 = 74, frozenset(range(144, 151))
_HOPPER = ("H100", "H200", "GH100", "GH200")
_TOLD_REGISTERS = (1, 3, 4, 5)  # as they are counted in the catalogue: from 1
_SECOND_ACTION = {True: 1 << 7, False: 1 << 10}  # of RLW_RXPIPE, by whether the driver is of 575 or later
_SUB_SHIFT, _SUB_MASK = 20, 0x3F
_SEVEN_BITS = 0x7F
_RXPIPE_NEW = 0x06  # low seven bits of its intrInfo since driver 575


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the registers come to, and in words. `solo`: it counts only where no other XID is told beside it."""

    weight: Weight
    words: str
    solo: bool = False


@dataclass(frozen=True, slots=True)
class _Bits:
    """A row of xid74.tsv."""

    register: int
    mask: int
    when: str
    what: str
    then: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """A row of nvlink5.tsv; `status` None is any."""

    code: int
    units: tuple[str, ...]
    sub: int
    status: int | None
    action: str
    then: str


def verdict(code: int, model: str, entries: Sequence[Entry]) -> Verdict | None:
    """Of the entries of one code on one board within a day; None where the registers aren't told, or say nothing."""
    if code == NVLINK:
        return _of_xid74(entries) if any(name in model for name in _HOPPER) else None
    if code in NVLINK5:
        found = [said for entry in entries if (said := _of_nvlink5(code, entry))]
        return max(found, key=lambda one: one.weight) if found else None
    return None


def _registers(entry: Entry) -> tuple[int, ...]:
    """As numbers, empty where they aren't told."""
    words = entry.event.facts.get("registers", "").replace(",", " ").split()
    try:
        return tuple(int(word, 16) for word in words)
    except ValueError:
        return ()


# -- 74


def _of_xid74(entries: Iterable[Entry]) -> Verdict | None:
    """The weightiest thing that any link's registers say."""
    times: Counter[tuple[str, _Bits]] = Counter()
    for entry in entries:
        link = entry.event.facts.get("link", "")
        for bits in _set_bits(_registers(entry)):
            times[link, bits] += entry.count
    if not times:
        return None
    weighty = [(link, bits) for link, bits in times if bits.when != "never"]
    if not weighty:
        return _of_never([bits for _, bits in times])
    counting = [(link, bits) for link, bits in weighty if _counts(bits, times[link, bits], alone=len(weighty) == 1)]
    link, bits = (counting or weighty)[0]
    then = f": {bits.then}" if counting else ""
    words = f"reset the GPU; {_said(link, bits, times[link, bits])}{then}"
    return Verdict(Weight.FATAL, words, solo=all(bits.when == "solo" for _, bits in weighty))


def _of_never(every: Sequence[_Bits]) -> Verdict:
    """Bits that may be ignored, unless they say that corrected errors have become many."""
    told = [bits.what for bits in every if bits.register != 1]
    return Verdict(Weight.ATTENTION, f"go on; {told[0]}") if told else Verdict(Weight.IGNORE, "ignore it")


def _counts(bits: _Bits, times: int, alone: bool) -> bool:
    """`alone`: no other bit of weight is set on any link."""
    match bits.when:
        case "always":
            return True
        case "again":
            return times > 2
        case "repeated":
            return times >= 2
        case "solo":
            return alone
    return False


def _said(link: str, bits: _Bits, times: int) -> str:
    often = f", {times} times within a day" if times > 1 else ""
    return f"register {bits.register} of link {link or '?'} says {bits.what}{often}"


def _set_bits(registers: Sequence[int]) -> Iterator[_Bits]:
    for at in _TOLD_REGISTERS:
        value = registers[at - 1] if at <= len(registers) else 0
        yield from (bits for bits in _xid74() if bits.register == at and value & bits.mask)


@cache
def _xid74() -> tuple[_Bits, ...]:
    return tuple(
        _Bits(int(register), sum(1 << int(bit) for bit in bits.split(",")), when, what, then)
        for register, bits, when, what, then in _rows("xid74.tsv")
    )


# -- 144 to 150


def _of_nvlink5(code: int, entry: Entry) -> Verdict | None:
    registers, unit = _registers(entry), entry.event.facts.get("unit", "")
    if len(registers) < 2:
        return None
    sub = registers[0] >> _SUB_SHIFT & _SUB_MASK
    rules = [rule for rule in _nvlink5() if rule.code == code and unit in rule.units and rule.sub == sub]
    matched = _matched(rules, registers[1])
    actions = [(rule.action, rule.then) for rule in matched]
    if actions and _asks_for_more(unit, registers[0]):
        actions.append(("RESET_GPU", matched[0].then))
    if not actions:
        return None
    action, then = max(actions, key=lambda pair: _weight(pair[0]))
    words = _words(action) + (f", then {_words(then)}" if then not in ("", "IGNORE") else "")
    return Verdict(_weight(action), words)


def _matched(rules: Sequence[_Rule], status: int) -> list[_Rule]:
    """The rule of this very status; else those of each of its bits."""
    exact = [rule for rule in rules if rule.status is None or rule.status == status]
    return exact or [rule for rule in rules if rule.status and rule.status & status == rule.status]


def _asks_for_more(unit: str, intr_info: int) -> bool:
    if unit != "RLW_RXPIPE":
        return False
    return bool(intr_info & _SECOND_ACTION[intr_info & _SEVEN_BITS == _RXPIPE_NEW])


def _weight(action: str) -> Weight:
    return WORDS[action][0]


def _words(action: str) -> str:
    return WORDS[action][1]


@cache
def _nvlink5() -> tuple[_Rule, ...]:
    return tuple(
        _Rule(int(code), tuple(unit.split("/")), int(sub, 2), None if status == "*" else int(status, 16), action, then)
        for code, unit, sub, status, action, then in _rows("nvlink5.tsv")
    )


def _rows(name: str) -> Iterator[Sequence[str]]:
    lines = Path(__file__).with_name(name).read_text("utf-8").splitlines()
    told = [line for line in lines if line and not line.startswith("#")]
    yield from (line.split("\t") for line in told[1:])

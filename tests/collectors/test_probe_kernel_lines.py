"""Lines of the kernel log: every shape becomes the event that it is, whatever marks the line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.probe import kernel_prefix
from collectors.probe.kernel_lines import Parser, Repeats, match
from tests.support.golden import same_as_golden
from watchfloor.report import Event

_HERE = Path(__file__).parent
_FIXTURE = _HERE / "fixtures" / "kernel-lines.txt"
_NOW = 1_764_000_000.0  # 24 November 2025


def shown(message: str, parser: Parser) -> list[str]:
    event = parser.parse(message)
    if event is None:
        return []
    code = f" {event['code']}" if "code" in event else ""
    rows = [f"    {event['kind']}{code}  {event['severity']}  {event['device'] or '-'}  {event.get('process', '')}"]
    rows.append(f"    {event['text']}")
    return rows + [f"      {name} = {value}" for name, value in event["facts"].items()]


def test_every_shape() -> None:
    parser, out = Parser(), []
    for line in _FIXTURE.read_text(encoding="utf-8").splitlines():
        out += [line, *(row.rstrip() for row in shown(line, parser))]
    same_as_golden(_HERE / "golden" / "kernel-lines.txt", "\n".join(out) + "\n")


def test_further_lines_of_an_sxid_belong_to_it() -> None:
    lines = [line for line in _FIXTURE.read_text().splitlines() if "12028" in line]
    parser = Parser()
    first, *others = [parser.parse(line) for line in lines]
    assert first is not None and others == [None, None]
    assert first["facts"]["data"] == "Data {0x00140004, 0x00100000}"
    parser.forget()
    late = parser.parse(lines[-1])
    assert late is not None and late["severity"] == "info", "what was handed out is not changed"


def test_the_log_names_the_device_where_the_line_does_not() -> None:
    event = match("INFO: task nvidia-smi:12 blocked for more than 120 seconds.", "0000:05:00.0")
    assert event is not None and (event["device"], event["process"]) == ("0000:05:00.0", "12 nvidia-smi")


@pytest.mark.parametrize(
    ("line", "since", "seconds", "program"),
    [
        ("[  206.764307] m", "boot", 206.764307, ""),
        ("<4>[  206.764307] m", "boot", 206.764307, ""),
        ("kern  :warn  : 2025-01-21T04:41:44,285060+00:00 m", "epoch", 1737434504.28506, ""),
        ("2025-01-21T05:41:44,285060+01:00 m", "epoch", 1737434504.28506, ""),
        ("2025-01-21T04:41:44.285060+00:00 node1 kernel: [ 12.5] m", "epoch", 1737434504.28506, "kernel"),
        ("2025-01-21T04:41:44Z node1 systemd[1]: m", "epoch", 1737434504.0, "systemd"),
        ("m", "", 0.0, ""),
    ],
)
def test_marks_of_a_line(line: str, since: str, seconds: float, program: str) -> None:
    stamp, written_by, message = kernel_prefix.parse(line, _NOW)
    assert (stamp.since, round(stamp.seconds, 6), written_by, message) == (since, seconds, program, "m")


def test_dmesg_in_iso_keeps_a_driver_that_looks_like_a_host() -> None:
    line = "2025-01-21T04:41:44,285060+00:00 nvme nvme0: controller is down"
    assert kernel_prefix.parse(line, _NOW)[1:] == ("", "nvme nvme0: controller is down")


@pytest.mark.parametrize(("month", "year"), [("Nov 24", 2025), ("Dec 31", 2024), ("Feb  3", 2025)])
def test_syslog_without_a_year_is_the_newest_that_is_no_future(month: str, year: int) -> None:
    stamp, program, message = kernel_prefix.parse(f"{month} 12:00:00 node1 kernel: [1.5] m", _NOW)
    assert time.localtime(stamp.seconds).tm_year == year
    assert (program, message) == ("kernel", "m")


def test_local_calendars() -> None:
    for line in ("[Sun Feb 23 16:24:18 2025] m", "[Feb 23 2025 16:24:18] m"):
        stamp, _, message = kernel_prefix.parse(line, _NOW)
        assert time.localtime(stamp.seconds)[:6] == (2025, 2, 23, 16, 24, 18)
        assert message == "m"


def test_records_of_kmsg_carry_their_device() -> None:
    record = "4,901,100500000,-;NVRM: something\n SUBSYSTEM=pci\n DEVICE=+pci:0000:05:00.0\n"
    assert kernel_prefix.kmsg(record) == (901, 100.5, "NVRM: something", "0000:05:00.0")
    with pytest.raises(ValueError, match="no record"):
        kernel_prefix.kmsg("hello")


_LINES = _FIXTURE.read_text(encoding="utf-8").splitlines()


@given(st.sampled_from(_LINES), st.integers(0, 200), st.text(max_size=3000) | st.sampled_from(_LINES))
def test_whatever_a_line_says_it_is_an_event_that_the_console_takes(line: str, at: int, more: str) -> None:
    event = match(line[:at] + more + line[at:])
    if event is not None:
        wire = json.dumps({"at": 1.5, "id": "b:1", **event}).encode()
        assert msgspec.json.decode(wire, type=Event).kind == event["kind"]


@given(
    st.from_regex(kernel_prefix._CALENDAR) | st.from_regex(kernel_prefix._ISO) | st.from_regex(kernel_prefix._SYSLOG)
)
def test_dates_that_are_none_are_no_error(line: str) -> None:
    stamp, _, _ = kernel_prefix.parse(line, _NOW)
    assert stamp.since in ("", "epoch", "boot")


def test_a_number_beyond_all_bounds_is_still_an_event() -> None:
    event = match("NVRM: Xid (PCI:0000:05:00): 99999999999999999999999999, something")
    assert event is not None and event["code"] == 1 << 31


def event(at: float, text: str = "ring 1 timeout", **fields: Any) -> dict[str, Any]:
    return {"at": at, "kind": "hang", "device": "0000:05:00.0", "text": text, "facts": {}, **fields}


def test_a_flood_is_a_few_and_a_number() -> None:
    repeats = Repeats()
    told = [one for second in range(50) for one in repeats.take(event(second, f"ring {second} timeout"))]
    assert [one["at"] for one in told] == [0, 1, 2]
    assert repeats.overdue(59.0) == []
    (summary,) = repeats.overdue(60.0)
    assert (summary["at"], summary["facts"]["repeats"]) == (49, "47")
    assert repeats.overdue(200.0) == []


def test_another_link_or_device_is_no_repeat() -> None:
    repeats = Repeats()
    for link in range(5):
        assert len(repeats.take(event(1.0, facts={"link": str(link)}))) == 1
    assert len(repeats.take(event(1.0, device="0000:06:00.0"))) == 1


def test_the_same_log_tells_the_same_again() -> None:
    events = [event(second * 7.0) for second in range(40)]

    def told() -> list[float]:
        repeats = Repeats()
        return [one["at"] for item in events for one in repeats.take(item)] + [
            one["at"] for one in repeats.overdue(10_000.0)
        ]

    assert told() == told()


def test_what_is_remembered_has_a_bound() -> None:
    repeats = Repeats()
    for number in range(Repeats.KEYS + 10):
        repeats.take(event(1.0, device=str(number)))
    assert repeats.overdue(2.0) == []
    assert len(repeats.take(event(2.0, device="1"))) == 1

"""The kernel log as it is read on a node: rings, journals, files that are rotated, and why there is none."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from collectors.probe import kernel_sources
from collectors.probe.cells import Absent
from collectors.probe.kernel_log import Sampler
from collectors.probe.logs import Kmsg, LogFile
from tests.support.worlds import FileWorld

XID = "NVRM: Xid (PCI:0000:05:00): {}, pid=12, name=python, Ch 00000008"
REFUSED = PermissionError(errno.EPERM, "Operation not permitted")


class Ring:
    """Records that come when the test says so."""

    def __init__(self, records: Sequence[str]) -> None:
        self.waiting = list(records)

    def records(self, most: int) -> list[str]:
        taken, self.waiting = self.waiting[:most], self.waiting[most:]
        return taken

    def close(self) -> None:
        pass


class Lines:
    """What a program writes."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.waiting = list(lines)
        self.ended = False

    def line(self, timeout_seconds: float) -> str:
        if not self.waiting and self.ended:
            raise EOFError("journal was rotated away")
        return self.waiting.pop(0) if self.waiting else ""

    def close(self) -> None:
        pass


class Node(FileWorld):
    """A node whose log is where the test puts it."""

    def __init__(
        self,
        ring: Ring | OSError = REFUSED,
        programs: Mapping[str, Callable[[list[str]], tuple[int, str, str]]] | None = None,
        stream: Lines | None = None,
        folder: Path | None = None,
    ) -> None:
        super().__init__({"/proc/sys/kernel/random/boot_id": "b00t\n", "/proc/uptime": "1000.00 1.0\n"})
        self._ring, self._answers, self._stream, self._folder = ring, programs or {}, stream, folder

    def kmsg(self) -> Any:
        if isinstance(self._ring, OSError):
            raise self._ring
        return self._ring

    def follow(self, path: str) -> LogFile:
        if self._folder is None:
            raise PermissionError(errno.EACCES, "Permission denied")
        return LogFile(str(self._folder / Path(path).name))

    def which(self, program: str) -> str | None:
        return program if program in self._answers else None

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        return self._answers[argv[0]](argv)

    def start(self, argv: list[str]) -> Any:
        assert self._stream is not None
        return self._stream


def record(number: int, since_boot: float, message: str) -> str:
    return f"4,{number},{int(since_boot * 1e6)},-;{message}\n"


def test_what_the_ring_holds_is_told_once_with_time_and_identity() -> None:
    ring = Ring([record(1, 100.0, "hello"), record(2, 400.5, XID.format(79))])
    node = Node(ring)
    sampler = Sampler(node, None)
    (event,) = sampler.sample().events
    assert (event["id"], event["at"]) == ("b00t:2", node.now() - 1000 + 400.5)
    assert (event["kind"], event["code"], event["device"], event["process"]) == ("xid", 79, "0000:05:00.0", "12 python")
    ring.waiting = [record(3, 999.0, XID.format(13))]
    assert [event["code"] for event in sampler.sample().events] == [13]
    assert sampler.sample().events == []


def test_one_message_of_several_lines() -> None:
    lines = r"NVRM: The NVIDIA GPU 0000:18:00.0\x0aNVRM: (PCI ID: 10de:2901) installed in this system has\x0a"
    ring = Ring([record(7, 5.0, lines + "NVRM: fallen off the bus and is not responding to commands.")])
    (event,) = Sampler(Node(ring), None).sample().events
    assert (event["kind"], event["code"], event["device"]) == ("lost", 79, "0000:18:00.0")


def test_no_event_is_later_than_now() -> None:
    """The kernel's clock and the node's drift apart over weeks."""
    node = Node(Ring([record(1, 1030.0, XID.format(13))]))
    assert Sampler(node, None).sample().events[0]["at"] == node.now()


def test_lines_that_were_overwritten_are_counted_at_most_once_a_minute() -> None:
    ring = Ring([record(1, 1.0, "a"), record(11, 2.0, "b")])
    node = Node(ring)
    sampler = Sampler(node, None)
    (event,) = sampler.sample().events
    assert event["text"] == "9 lines of the kernel log were overwritten before they could be read"
    ring.waiting = [record(22, 3.0, "c")]
    assert sampler.sample().events == []
    node.at += 61
    assert [event["text"].split()[0] for event in sampler.sample().events] == ["10"]


def test_a_flood_is_read_in_portions() -> None:
    ring = Ring([record(number, 1.0, XID.format(13)) for number in range(12_000)])
    sampler = Sampler(Node(ring), None)
    assert len(sampler.sample().events) == 3
    assert len(ring.waiting) == 12_000 - kernel_sources.Source.MOST
    sampler.sample()
    (summary,) = sampler.sample().events
    assert summary["facts"]["repeats"] == "11997"


def journal_line(number: int, message: Any) -> str:
    return json.dumps(
        {
            "__CURSOR": f"s=1;i={number:x};b=b00t;m=1;t=2;x=3",
            "__REALTIME_TIMESTAMP": "1700000000500000",
            "_BOOT_ID": "b00t",
            "_KERNEL_DEVICE": "+pci:0000:05:00.0",
            "MESSAGE": message,
        }
    )


def test_without_the_ring_the_journal_is_followed() -> None:
    stream = Lines([journal_line(17, "INFO: task python:7 blocked for more than 120 seconds.")])
    node = Node(programs={"journalctl": lambda argv: (0, "one line", "")}, stream=stream)
    sampler = Sampler(node, None)
    (event,) = sampler.sample().events
    assert (event["id"], event["at"], event["device"]) == ("b00t:j11", 1_700_000_000.5, "0000:05:00.0")
    stream.waiting = [journal_line(18, list(XID.format(43).encode()))]
    assert [event["code"] for event in sampler.sample().events] == [43]
    entry = journal_line(19, XID.format(31))
    stream.waiting = [journal_line(18, XID.format(13)), entry[:40], "{}", entry]
    assert [event["code"] for event in sampler.sample().events] == [13, 31], "torn lines cost themselves alone"
    stream.ended = True
    with pytest.raises(EOFError):
        sampler.sample()


def test_a_journal_that_shows_nothing_is_not_permitted(tmp_path: Path) -> None:
    """Its files are read instead; lines of other programs that quote the kernel don't count."""
    log = tmp_path / "messages"
    log.write_text(
        f"Nov 14 22:00:00 node1 kernel: [12.5] {XID.format(79)}\nNov 14 22:00:00 node1 gpud[7]: saw {XID.format(79)}\n"
    )
    node = Node(programs={"journalctl": lambda argv: (0, "", "")}, folder=tmp_path)
    sampler = Sampler(node, None)
    (event,) = sampler.sample().events
    assert event["id"].startswith("messages:") and event["code"] == 79
    with log.open("a") as file:
        file.write(f"Nov 14 22:00:01 node1 kernel: [13.5] {XID.format(13)}\n")
    assert [event["code"] for event in sampler.sample().events] == [13]


def test_dmesg_is_the_last_resort() -> None:
    text = [f"<4>[  400.500000] {XID.format(79)}\n"]
    node = Node(programs={"dmesg": lambda argv: (0, "".join(text), "")})
    sampler = Sampler(node, None)
    assert [event["code"] for event in sampler.sample().events] == [79]
    text.append(f"<4>[  401.500000] {XID.format(13)}\n")
    told = [event["code"] for _ in range(10) for event in sampler.sample().events]
    assert told == [13]


def test_who_may_not_read_it_is_told_what_was_tried() -> None:
    node = Node(programs={"journalctl": lambda argv: (1, "", "No journal files were opened")})
    with pytest.raises(Absent) as absent:
        Sampler(node, None).sample()
    text = str(absent.value)
    assert "not permitted" in text and "dmesg_restrict" in text
    for word in ("/dev/kmsg: Operation not permitted", "journalctl: No journal files", "/var/log/kern.log: Permission"):
        assert word in text
    assert "dmesg:" not in text, "what isn't installed refuses nobody"


def test_a_container_without_a_kernel_log_is_not_refused_one() -> None:
    gone = FileNotFoundError(errno.ENOENT, "No such file or directory")

    class Container(Node):
        def follow(self, path: str) -> LogFile:
            raise gone

    with pytest.raises(Absent, match=r"^no kernel log found \(/dev/kmsg: No such file"):
        Sampler(Container(gone), None).sample()


# -- files


def lines(log: LogFile) -> list[str]:
    return [line for _, line in log.lines()]


def test_a_file_that_grows(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text("one\ntw")
    log = LogFile(str(path))
    first = log.lines()
    with path.open("a") as file:
        file.write("o\nthree\n")
    second = log.lines()
    assert [line for _, line in first + second] == ["one", "two", "three"]
    assert [identity.split(":")[1] for identity, _ in first + second] == ["0", "4", "8"]
    assert log.lines() == []


def test_a_file_that_is_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text("one\n")
    log = LogFile(str(path))
    assert lines(log) == ["one"]
    with path.open("a") as file:
        file.write("last words\n")
    path.rename(tmp_path / "kern.log.1")
    assert lines(log) == ["last words"]
    assert lines(log) == [], "there is none for a moment"
    path.write_text("new\n")
    with (tmp_path / "kern.log.1").open("a") as file:
        file.write("of a daemon that has not been told yet\n")
    assert lines(log) == ["of a daemon that has not been told yet"]
    assert [line for _ in range(2) for line in lines(log)] == ["new"]


def test_a_daemon_may_write_to_the_old_file_after_the_new_one_is_there(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text("one\n")
    log = LogFile(str(path))
    assert lines(log) == ["one"]
    path.rename(tmp_path / "kern.log.1")
    path.write_text("new\n")
    assert lines(log) == [], "seen to be moved"
    with (tmp_path / "kern.log.1").open("a") as file:
        file.write("late\n")
    assert lines(log) == ["late"]
    assert [line for _ in range(2) for line in lines(log)] == ["new"]


def test_a_file_that_is_emptied_in_place(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text("one\ntwo\nthree\n")
    log = LogFile(str(path))
    assert len(lines(log)) == 3
    os.truncate(path, 0)
    assert lines(log) == []
    path.write_text("four\n")
    assert lines(log) == ["four"]


def test_a_file_that_was_emptied_in_place_and_is_longer_by_now(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text("one\ntwo\nth")
    log = LogFile(str(path))
    assert lines(log) == ["one", "two"]
    path.write_text("".join(f"new {number}\n" for number in range(9)))  # in place, as logrotate's copytruncate does
    assert lines(log) == [f"new {number}" for number in range(9)]
    assert lines(log) == []


def test_a_file_that_was_emptied_below_a_daemon_that_goes_on_at_its_own_place(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    with path.open("w") as daemon:
        daemon.write("one\ntwo\n")
        daemon.flush()
        log = LogFile(str(path))
        assert lines(log) == ["one", "two"]
        os.truncate(path, 0)
        daemon.write("three\n")
    assert lines(log) == ["three"]


def test_lines_at_the_same_place_of_a_file_that_was_emptied_are_not_the_same(tmp_path: Path) -> None:
    """What a console was told once, it passes over the second time."""
    path = tmp_path / "kern.log"
    path.write_text("one\ntwo\n")
    log = LogFile(str(path))
    before = log.lines()
    path.write_text("six\n")
    after = log.lines()
    assert [line for _, line in after] == ["six"]
    assert not {identity for identity, _ in before} & {identity for identity, _ in after}


def test_a_long_file_is_read_from_near_its_end(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text("".join(f"line {number:07}\n" for number in range(200_000)))
    log = LogFile(str(path))
    seen: list[str] = []
    while more := lines(log):
        seen += more
    assert seen[-1] == "line 0199999" and 70_000 < len(seen) < 90_000
    assert all(len(line) == 12 for line in seen), "the first one is whole"


def test_a_line_without_end_is_no_line(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text("x" * 600_000)
    log = LogFile(str(path))
    for _ in range(5):
        assert lines(log) == []
    with path.open("a") as file:
        file.write("\nnext\n")
    assert lines(log) == ["next"]


def test_the_ring_of_this_machine() -> None:
    try:
        ring = Kmsg()
    except OSError as error:
        pytest.skip(f"/dev/kmsg can't be read here, which no package mends: {error}")
    try:
        first = ring.records(3)
        assert 0 < len(first) <= 3
        assert all(kernel_sources.kernel_prefix.kmsg(text)[0] >= 0 for text in first)
        while ring.records(5000):
            pass
    finally:
        ring.close()

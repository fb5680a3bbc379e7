"""Programs that the probe starts on its node: bounded, and never left behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from collectors.probe.pci import parse
from collectors.probe.programs import Children
from collectors.probe.world import World


@pytest.fixture
def children():
    made = Children()
    yield made
    made.close()


def _python(code: str) -> list[str]:
    return [sys.executable, "-Ic", code]


def _has_ended(pid: int) -> bool:
    """Whether a process ends: one that is killed is gone as soon as the kernel gets round to it."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 20)[0])
    finally:
        os.close(process)


def test_what_it_said_and_how_it_ended(children: Children) -> None:
    status, out, error = children.run(_python("import sys; print('a'); print('b', file=sys.stderr); sys.exit(3)"), 20)
    assert (status, out, error) == (3, "a\n", "b\n")


def test_a_program_that_hangs_is_ended_with_its_children(children: Children, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    command = ["sh", "-c", f"sleep 600 & echo $! > {told}.new; mv {told}.new {told}; wait"]
    for seconds in (0.3, 3, 30):  # until it has come as far as that
        with pytest.raises(TimeoutError, match="no answer within"):
            children.run(command, seconds)
        if told.exists():
            break
    assert _has_ended(int(told.read_text()))


def test_lines_come_one_by_one_and_the_end_has_words(children: Children) -> None:
    code = "import sys; print('one\\n\\ntwo', flush=True); print('out of work', file=sys.stderr, flush=True)"
    lines = children.start(_python(code))
    assert [lines.line(20), lines.line(20)] == ["one", "two"]
    with pytest.raises(EOFError, match="out of work"):
        lines.line(20)


def test_a_program_that_can_not_be_ended_is_not_started_beside_itself(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setattr(os, "killpg", lambda pid, number: started.append(pid))  # as if it hung in the kernel
        started: list[int] = []
        with pytest.raises(TimeoutError, match="no answer within"):
            children.run(["sleep", "600"], 0.01)
    with pytest.raises(TimeoutError, match=f"sleep hangs in the kernel, as process {started[0]}"):
        children.run(["sleep", "0"], 20)
    assert children.run(["true"], 20)[0] == 0
    os.killpg(started[0], signal.SIGKILL)
    os.waitid(os.P_PID, started[0], os.WEXITED | os.WNOWAIT)
    assert children.run(["sleep", "0"], 20)[0] == 0


def test_what_it_writes_without_end_is_not_kept(children: Children) -> None:
    with pytest.raises(OSError, match="wrote more than 8388608 bytes"):
        children.run(["yes"], 20)


def test_notices_that_nobody_reads_do_not_stop_it(children: Children) -> None:
    """neuron-monitor logs to its standard error, for as long as it runs."""
    lines = children.start(["sh", "-c", "yes 'a notice' | head -c 300000 >&2; echo one; echo no more >&2; exit 1"])
    assert lines.line(20) == "one"
    with pytest.raises(EOFError, match="no more"):
        lines.line(20)


def test_a_flood_of_notices_does_not_hold_up_who_listens(children: Children) -> None:
    assert children.start(["sh", "-c", "yes >&2; true"]).line(0.05) == ""
    assert children.start(["yes", ""]).line(0.05) == ""


def test_no_line_in_time_is_no_end(children: Children) -> None:
    lines = children.start(["sleep", "600"])
    assert lines.line(0.01) == ""


def test_close_ends_what_still_runs(children: Children) -> None:
    children.start(["sleep", "600"])
    (pid,) = children._running
    children.close()
    assert _has_ended(pid)


def test_nothing_is_started_once_they_were_closed(children: Children, tmp_path: Path) -> None:
    """A sampler takes the end of its program for an answer that failed, and asks again."""
    children.close()
    for start in (children.start, lambda argv: children.run(argv, 20)):
        with pytest.raises(OSError, match="touch is not started: the probe ends"):
            start(["touch", str(tmp_path / "started")])
    assert not list(tmp_path.iterdir())


def test_close_ends_what_is_just_being_started(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    popen, begun, closing = subprocess.Popen, threading.Event(), threading.Event()
    started: list[int] = []

    def slowly(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        begun.set()
        closing.wait(20)
        process = popen(*args, **options)
        started.append(process.pid)
        return process

    monkeypatch.setattr(subprocess, "Popen", slowly)
    starter = threading.Thread(target=lambda: children.start(["sleep", "600"]))
    starter.start()
    assert begun.wait(20)
    wait_for = children._change.wait_for
    monkeypatch.setattr(children._change, "wait_for", lambda done, most: closing.set() or wait_for(done, 20))
    children.close()
    starter.join(20)
    assert _has_ended(*started)


def test_programs_are_found_beyond_a_short_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert Path(World().which("sleep") or "").name == "sleep"
    assert World().which("no-such-program") is None


def test_a_pci_device_from_its_uevent() -> None:
    text = "DRIVER=nvidia\nPCI_CLASS=30200\nPCI_ID=10DE:2330\nPCI_SUBSYS_ID=10DE:16C1\nPCI_SLOT_NAME=0000:18:00.0\n"
    device = parse("0000:18:00.0", text)
    assert (device.kind, device.vendor, device.device, device.subsystem) == (0x0302, 0x10DE, 0x2330, 0x16C1)
    assert device.driver == "nvidia"


def test_pci_devices_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world, reads = World(), []
    monkeypatch.setattr(world, "listdir", lambda path: ["0000:01:00.0"])
    monkeypatch.setattr(
        world, "read", lambda path, keep=False: reads.append(path) or "PCI_CLASS=30000\nPCI_ID=1002:74A1"
    )
    assert [device.device for device in world.pci() + world.pci()] == [0x74A1, 0x74A1]
    assert len(reads) == 1

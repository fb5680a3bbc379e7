"""A demo's probes let go of the simulated driver as real ones do; no check takes that for a fault, or a recovery."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from agents.actions import _letting_go
from collectors.simulator import shell
from collectors.simulator.faults import scenarios
from collectors.simulator.floor import plan_floor
from collectors.simulator.nvml_device import nvmlDeviceGetUUID
from collectors.simulator.order import Ended
from tests.support.forwarded import ForwardedDemo
from watchfloor.commands import run
from watchfloor.commands.snapshot import tell_of_silent
from watchfloor.frame import Frame
from watchfloor.model import Missing, Scope, State
from watchfloor.playbook import Playbook
from watchfloor.report import PAUSED
from watchfloor.snapshot.selection import select
from watchfloor.snapshot.table import table

_TOLD = {"xid-fatal", "ecc-uncorrected", "recovery-action"}


class Demo(ForwardedDemo):
    """One node, whose second board asks for a reset for as long as nobody mends it."""

    def __init__(self) -> None:
        floor = plan_floor(4, 1)
        (incident,) = scenarios()["xid95"].place(floor)
        super().__init__(floor, [replace(incident, lasts=100.0)], [incident.node])
        self.node = self._nodes[0].world

    def play(self, seconds: int) -> Frame:
        for _ in range(seconds - 1):
            self.step()
        return self.step()

    def run(self, *argv: str) -> Ended:
        return shell.run(self.node.present(), argv)

    def ask(self, seconds: int) -> None:
        assert self.run(*_letting_go.asked("", "ops", seconds).words).exit == 0


def _codes(frame: Frame) -> set[str]:
    return {finding.code for finding in frame.findings}


def test_boards_that_are_let_go_of_are_neither_lost_nor_well() -> None:
    demo = Demo()
    assert _codes(demo.play(30)) == _TOLD
    demo.ask(60)
    frame = demo.play(45)
    assert frame.detail[0].is_paused and frame.detail[0].samplers["nvidia"].state == PAUSED
    rows, view = frame.rows_of(Scope.ACCELERATOR, 0), frame.accelerators
    assert len(rows) == 8 and set(view.reasons("temp")[rows].tolist()) == {Missing.NOT_YET}
    assert view.states[rows].tolist() == [State.UNKNOWN, State.CRITICAL, *[State.UNKNOWN] * 6]
    note = frame.detail[0].note("accelerator.temp", Missing.NOT_YET, view.keys[int(rows[0])])
    assert note.startswith("let go of for a reset that ops asked for, until ")
    assert _codes(frame) == {"xid-fatal"}, "of what the driver no longer tells, the kernel's log does"
    back = demo.play(30)
    assert _codes(back) == _TOLD and not back.detail[0].is_paused
    records = demo.log.records.by_key.values()
    assert {record.finding.code for record in records} == _TOLD
    assert all(record.holds and record.times == 1 for record in records), "none was over, and none has come again"


def test_a_probe_that_begins_meanwhile_has_no_fewer_boards(capsys: pytest.CaptureFixture[str]) -> None:
    demo = Demo()
    demo.ask(150)
    frame = demo.play(60)
    assert frame.nodes.reasons("accelerators")[0] == Missing.NOT_YET
    assert not {"accelerator-untold", "accelerator-count"} & _codes(frame)
    name, said = frame.specs[0].name, "its boards' driver was let go of for a reset that ops asked for, until "
    assert f"{name}: {said}" in table(select(frame))
    tell_of_silent(frame)
    assert f"{name}: {said}" in capsys.readouterr().err
    nothing: Any = SimpleNamespace(target=f'node == "{name}" and index == 2')
    untold = run._untold(nothing, Playbook("one", "reset", scope=Scope.ACCELERATOR), frame)
    assert untold.startswith(f"{name}: let go of for a reset that ops asked for, until ") and ";" not in untold


def test_the_simulated_driver_refuses_a_reset_while_the_probes_hold_it() -> None:
    demo = Demo()
    demo.play(10)
    machine = demo.node.present()
    for board in machine.boards:
        board.job = None
    reset = ("sudo", "-n", "--", "nvidia-smi", "-i", nvmlDeviceGetUUID(machine, 0), "--gpu-reset")
    waits = _letting_go.awaited("").argv
    assert "being used" in demo.run(*reset).err and demo.run(*waits).out == "after 0.0 s it is held by the probes\n"
    denied = demo.run(*_letting_go.asked("", "ops").argv)
    assert denied.exit == 1 and "Permission denied" in denied.err and demo.run(*reset).exit
    demo.ask(150)
    assert "no probe" in demo.run(*waits).out
    assert demo.run(*reset).out == "All done.\n"
    demo.ask(0)
    assert demo.run(*reset).exit

"""Secrets that are planted wherever a console takes texts from: none of them is in a file that it writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input

from collectors.probe.commands import command_text, redacted
from collectors.probe.kernel_lines import match
from collectors.sources._slurm import values
from tests.support.feeds import HandFeed
from tests.support.frames import settled
from tests.support.planted import leaks, planted, texts_of
from tests.support.sessions import Floor
from tui.app import WatchfloorApp
from tui.base import AppOptions
from tui.filming import Film
from watchfloor.jobs.model import Job, JobState, SourceAnswer, SourceState, SourceStatus
from watchfloor.jobs.roll import Roll
from watchfloor.lineage.graph import Changes, Edge, Entity, Key, Kind, Relation, facts
from watchfloor.model import MetricsSource, NodeSpec, NodeStatus, Phase, Problem
from watchfloor.recording import recorded
from watchfloor.records import ledgerwords as words
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note, Party, Who
from watchfloor.records.lineage import LineageStore
from watchfloor.report import Event, Report

ANNA = Who(Party.PERSON, "anna")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WATCHFLOOR_LEDGER", str(tmp_path / "ledger.db"))
    monkeypatch.setenv("WATCHFLOOR_SESSIONS", str(tmp_path / "sessions"))
    monkeypatch.setattr("sys.argv", ["watchfloor", "--record", f"--password={planted()}"])
    return tmp_path


def _job() -> Job:
    """As the reader of Slurm makes it, with secrets in all that a user writes."""
    return Job(
        "slurm:41", "alpha", "slurm", "41", values.shown(f"train --token {planted()}"), "mira", state=JobState.RUNNING,
        comment=values.redacted(f"password={planted()}"), command=command_text(f"run.sh\0--api-key\0{planted()}", ""),
        image=redacted(f"registry/train --hf-token={planted()}"),
    )  # fmt: skip


def _told_by_a_fleet_file(spec: NodeSpec) -> NodeSpec:
    """With secrets where such a file takes any text."""
    source = MetricsSource("http://127.0.0.1:9", f'job="dcgm", token="{planted()}"')
    return replace(spec, labels={"team": "a", "note": f"password={planted()}", "api_key": planted()}, source=source)


def _acts(ledger: Ledger) -> None:
    """Inputs of a playbook, a reason, a webhook's address, what a command was given and printed."""
    hook = f"https://hooks.slack.com/services/T0/B0/{planted()}"
    for body in (
        words.Proposed(reason=f"token={planted()}", playbook="p", plan={"inputs": {"password": planted()}}),
        words.Approval(reason=f"seen it, password: {planted()}"),
        words.Intent(step="1", action="notify", argv=["curl", hook, "--token", planted()], parameters={"url": hook}),
        words.Applied(step="1", argv=["curl", hook], output=words.output(f"HF_TOKEN={planted()}")),
    ):
        ledger.append(Note(ANNA, body, run="r1"))


async def test_no_file_of_a_console_holds_what_was_planted(places: Path) -> None:
    floor, roll, job = Floor(), Roll(), _job()
    frame = floor.step()
    failed = f"squeue: error: password={planted()}"
    answer = SourceAnswer(
        SourceStatus("alpha", "slurm", SourceState.FAILED, frame.at, 0.1, 5.0, text=failed), (job,), ()
    )
    roll.answer(answer)
    ended = f"the probe ended before it spoke: bash: export HF_TOKEN={planted()}: not found"  # what a login shell says
    floor.machines.fleet.status(2, NodeStatus(Phase.BACKOFF, Problem.PROBE, ended, "see what `ssh HOST true` prints"))
    line = match(f"NVRM: Xid (PCI:0000:3b:00): 31, pid=7, name=python, MMU Fault --token {planted()}")
    assert line is not None
    with Ledger(places / "ledger.db") as ledger, recorded("terminal", folder=places / "sessions") as recorder:
        recorder.frame(replace(frame, specs=[_told_by_a_fleet_file(spec) for spec in frame.specs]))
        recorder.wait_written()
        event = Event(floor.now, "kernel", "xid", line["text"], "", 31, id="e1")
        floor.machines.fleet.report(1, Report(900, 1, floor.now, events=[event]), floor.now)
        _acts(ledger)
        then = floor.step()
        recorder.frame(replace(then, jobs=roll.frame(then)))
        options = AppOptions(state_folder=places / "state", recording=recorder, now=lambda: floor.now)
        app = WatchfloorApp(HandFeed(settled()), options)
        film = Film(app, recorder, lambda: floor.now)  # a picture when the test wants one, besides those by the clock
        async with app.run_test(size=(120, 40)) as pilot:
            behind = "x" * 130  # the line shows the end of what is longer
            for key, typed in (
                ("colon", f"theme --token={planted()}"),
                ("slash", f'command ~ "{planted()}"'),
                ("slash", f'command ~ "--password={behind}plantedSecret"'),
                ("slash", "command ~ hf_plantedSecr"),  # no pattern knows it yet
            ):
                await pilot.press(key)
                line = app.focused
                assert isinstance(line, Input)
                for begun in (typed.partition("=")[0], typed[:-5]):  # what is typed before any secret is shown
                    line.value, line.cursor_position = begun, len(begun)
                    await pilot.pause()
                    film.take()
                for letter in typed[-5:]:
                    await pilot.press(letter)
                    film.take()
                await pilot.press("enter", "escape")
        app.desk.typed_commands.add(f"filter token={planted()}")
        recorder.wait_written()
    store = LineageStore(str(places / "lineage.db"))
    key, node = Key(Kind.JOB, "slurm:41"), Key(Kind.NODE, "n1")
    told = facts(name=job.name, comment=f"password={planted()}", command=job.command)
    entities = (Entity(key, 1.0, facts=told), Entity(node, 1.0))
    store.save(Changes(entities, (Edge(key, node, Relation.RAN_ON, 1.0),)), 2.0)
    store.close()
    found = list(texts_of(places))
    assert {path.parent.name for path, _ in found} >= {"sessions", "state"}  # what was typed and recorded was written
    assert leaks(places) == []
    whole = b"".join(text for _, text in found)
    assert b"before it spoke" in whole and b"squeue: error" in whole
    assert b"MMU Fault" in whole and b"run.sh" in whole and b"seen it" in whole and b"theme --token" in whole

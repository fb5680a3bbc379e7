"""`watchfloor playbooks`: what a person sees of playbooks, and of files that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors.probe import nvidia_xid
from collectors.probe.kernel_rules import RULES
from watchfloor.checks import kernel_events
from watchfloor.cli import run
from watchfloor.exits import Exit
from watchfloor.report import EVENT_KINDS

OWN = """\
name: own
summary: mine
steps:
  - action: drain_node
    with: {reason: "{trigger}"}
"""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WATCHFLOOR_PLAYBOOKS", str(tmp_path))
    (tmp_path / "own.yaml").write_text(OWN)
    return tmp_path


def test_all_are_listed_the_users_own_among_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["playbooks"]) == Exit.OK
    out = capsys.readouterr().out
    assert "own " in out and "mine (yours)" in out and "fatal-xid" in out
    assert run(["playbooks", "--json"]) == Exit.OK
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["playbooks"]}
    assert (found["own"]["own"], found["fatal-xid"]["own"]) == (True, False)
    assert (
        found["fatal-xid"]["triggers"][0] | {"kind": "event", "codes": ["79", "48", "95"]}
        == (found["fatal-xid"]["triggers"][0])
    )


def test_one_is_shown_and_a_slip_of_the_finger_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["playbooks", "show", "thermal-margin"]) == Exit.OK
    out = capsys.readouterr().out
    assert "temp_margin < 2, for 30 s, until temp_margin > 8" in out and "by the planner thermal_cap" in out
    assert run(["playbooks", "show", "thermal-marign"]) == Exit.USAGE
    assert "did you mean thermal-margin?" in capsys.readouterr().err
    assert run(["playbooks", "schema"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["title"] == "watchfloor playbook"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("drain_node", "drain_nod", "4:5: drain_nod: there is no action drain_nod\n  did you mean drain_node?"),
        ("reason:", "reasn:", "has no parameter reasn\n  did you mean reason?"),
        ('"{trigger}"', "5", "reason is 5\n  a text, in quotes"),
        ('\n    with: {reason: "{trigger}"}', "", "drain_node needs the parameter reason"),
        ("steps:", "triggers:\n  - {query: uptime > 0, after: fatal-xd}\nsteps:", "did you mean fatal-xid?"),
        ("mine", "[mine", "own.yaml:3"),
        ("steps:", "triggers:\n  - event: xidd\nsteps:", "4:12: 'xidd' is not a kind of event\n  did you mean xid?"),
        ("steps:", "triggers:\n  - finding: [xid-fatl]\nsteps:", "4:15: 'xid-fatl' is not the code of a finding"),
        ("steps:", "triggers:\n  - {runs: 3, within: 24h, of: [own, fatal-xd]}\nsteps:", "4:38: a trigger names the"),
    ],
)
def test_what_is_wrong_is_pointed_at(
    old: str, new: str, told: str, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["playbooks", "check"]) == Exit.OK
    (own / "own.yaml").write_text(OWN.replace(old, new))
    assert run(["playbooks", "check", str(own / "own.yaml")]) == Exit.USAGE
    shown = capsys.readouterr()
    assert told in shown.err
    assert run(["playbooks", "check", "--json"]) == Exit.USAGE
    errors = json.loads(capsys.readouterr().out)["errors"]
    assert {error["file"] for error in errors} == {str(own / "own.yaml")}


def test_planners_and_their_options_are_looked_up(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for planner, told in (
        ("thermal_cp", "3:10: there is no planner thermal_cp\n  did you mean thermal_cap?"),
        ("thermal_cap\noptions: {les: 1}", "4:11: thermal_cap has no option les\n  did you mean less?"),
        ("thermal_cap\noptions: {less: much}", "4:11: options: less is 'much'"),
    ):
        (own / "own.yaml").write_text(f"name: own\nsummary: mine\nplanner: {planner}\n")
        assert run(["playbooks", "check", str(own / "own.yaml")]) == Exit.USAGE
        assert told in capsys.readouterr().err


def test_every_kind_of_event_that_a_probe_tells_may_begin_a_playbook() -> None:
    told = {rule[1] for rule in RULES} | {kind for kind, _, _ in nvidia_xid._KINDS.values()}
    assert told <= set(EVENT_KINDS)
    assert set(kernel_events._TITLES) <= set(EVENT_KINDS)


@pytest.mark.parametrize("code", ["check-failed", "imex-stopped", "node-refused", "event-oom", "temp-mem-high"])
def test_codes_that_are_made_may_begin_a_playbook(code: str, own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own / "own.yaml").write_text(OWN.replace("steps:", f"triggers:\n  - finding: {code}\nsteps:"))
    assert run(["playbooks", "check", str(own / "own.yaml")]) == Exit.OK, capsys.readouterr().err

"""Who a node is and what is the matter with it: said once, the cause first, in the room that there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support import frames
from tui.present.accelerators import AcceleratorTable
from tui.present.choice import Choice
from tui.present.fields import ACCELERATOR_FIELDS, columns_for
from tui.present.identity import brief_lines, identity_lines
from tui.present.line import Line, width_of
from tui.present.notes import accelerator_note, node_note, worst_findings
from tui.present.style import UNICODE
from tui.present.trends import plots
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.model import Finding, NodeSpec, NodeStatus, Phase, Scope, State, Subject
from watchfloor.report import PAUSED, Hello, Report, SamplerStatus, Schema

_LOST, _HUNG = "dgx-04", "dgx-07"


def text_of(lines: Sequence[Line]) -> str:
    return "\n".join("".join(text for text, _ in line) for line in lines)


@pytest.fixture(scope="module")
def frame() -> Frame:
    return frames.settled()


def test_a_silent_node_says_why_once_and_nothing_of_its_samplers(frame: Frame) -> None:
    node = frame.node_index[_LOST]
    said = text_of(identity_lines(frame, node, 120, UNICODE))
    words, _ = node_note(frame, node, {})
    assert words.startswith(f"{frame.statuses[node].problem.value}, last heard "), "the cause comes before the details"
    assert words[:30] in said
    assert "can't be read" not in said
    assert "nvidia" not in said.lower().split("driver")[-1], "what samplers said is over"


def test_samplers_that_say_the_same_say_it_once(frame: Frame) -> None:
    words = "let go of for a reset that anna asked for, until 12:03:04 UTC"
    told = {name: SamplerStatus(PAUSED, words) for name in ("nvidia", "nvidia_xid")}
    detail = replace(frame.detail[0], samplers={"host": SamplerStatus("ok"), **told})
    paused = replace(frame, detail=[detail, *frame.detail[1:]])
    said = text_of(identity_lines(paused, 0, 120, UNICODE))
    assert f"nvidia, nvidia_xid {UNICODE.states[State.WARNING]} {words}" in said
    assert said.count(words) == 1 and "1 ok" in said
    brief = text_of(brief_lines(paused, 0, 78, UNICODE, 4)).splitlines()
    assert len(brief) == 4 and brief[2].strip() == f"{UNICODE.states[State.WARNING]} driver {words}"


@pytest.mark.parametrize("most", [2, 3, 6])
@pytest.mark.parametrize("name", [_LOST, _HUNG])
def test_in_little_room_the_trouble_stays(frame: Frame, name: str, most: int) -> None:
    lines = brief_lines(frame, frame.node_index[name], 60, UNICODE, most)
    assert len(lines) <= most
    assert all(width_of(line) <= 60 for line in lines)
    said = text_of(lines)
    assert name in said.splitlines()[0]
    assert ("no answer" if name == _HUNG else "last heard") in said


@pytest.mark.parametrize("width", [0, 1, 2])
def test_a_pane_squeezed_to_nothing_still_has_a_first_line(frame: Frame, width: int) -> None:
    bare = replace(frame, specs=tuple(replace(spec, site="", rack="", group="") for spec in frame.specs))
    assert len(brief_lines(bare, frame.node_index[_LOST], width, UNICODE, 2)) == 2


def test_a_chart_without_a_value_says_why(frame: Frame) -> None:
    for name, reason in ((_LOST, "stale, last"), (_HUNG, "timed out, last")):
        node = frame.node_index[name]
        board = int(frame.rows_of(Scope.ACCELERATOR, node)[0])
        assert plots(frame, node, board, half_hour=False)[0].note.startswith(reason)


def test_a_board_that_is_well_says_nothing_of_its_node(frame: Frame) -> None:
    """Its row is green; what is the matter with the node is told on the rows of nodes."""
    drift = Finding(Subject(Scope.NODE, "dgx-01"), "version-drift", State.WARNING, "dgx-01 differs from its group")
    frame = replace(frame, findings=(*frame.findings, drift))
    worst, node = worst_findings(frame), frame.node_index["dgx-01"]
    well, hot = (int(frame.rows_of(Scope.ACCELERATOR, node)[at]) for at in (0, 5))
    assert frame.accelerators.states[well] == State.OK
    assert accelerator_note(frame, well, worst)[0] == ""
    assert accelerator_note(frame, hot, worst)[0] == "slowed down by heat"
    assert node_note(frame, node, worst)[0] == "differs from its group"


@pytest.mark.parametrize(("name", "words"), [(_LOST, "last heard"), (_HUNG, "no answer from its nvidia sampler")])
def test_a_board_of_which_nothing_is_known_says_why(frame: Frame, name: str, words: str) -> None:
    board = int(frame.rows_of(Scope.ACCELERATOR, frame.node_index[name])[0])
    assert words in accelerator_note(frame, board, worst_findings(frame))[0]


def test_a_row_below_its_node_repeats_nothing_that_is_said_of_the_node(frame: Frame) -> None:
    node = frame.node_index[_LOST]
    columns = columns_for(ACCELERATOR_FIELDS, 160)
    at = [column.name for column in columns].index("note")
    table = AcceleratorTable(frame, columns, Choice(), within=node)
    assert table.count
    assert {table.cells(index)[at][0] for index in range(table.count)} == {""}


def test_a_finding_that_names_its_link_is_told_without_naming_it_twice(frame: Frame) -> None:
    row = next(int(row) for row in frame.rows_of(Scope.LINK, frame.node_index[_HUNG]))
    name = frame.links.text(row, "name") or frame.links.keys[row]
    down = Finding(frame.subject(Scope.LINK, row), "nvlink-down", State.CRITICAL, f"NVLink {name} of {_HUNG} is down")
    told = text_of(identity_lines(replace(frame, findings=(down,)), frame.node_index[_HUNG], 160, UNICODE))
    assert down.text in told
    assert f"{name}: " not in told


@pytest.mark.parametrize(
    ("status", "note"),
    [
        (SamplerStatus("ok", "no answer yet"), "accelerators not yet"),
        (SamplerStatus("hung", "no answer for 9 s"), "accelerators timed out"),
        (SamplerStatus("absent", "libnvidia-ml.so.1 not found", 5.0), "no accelerators"),
    ],
)
def test_a_node_is_said_to_have_no_accelerators_once_all_who_could_name_one_have_looked(
    status: SamplerStatus, note: str
) -> None:
    fleet = Fleet([NodeSpec("n")], lambda: frames.START)
    fleet.status(0, NodeStatus(Phase.LIVE, since=frames.START))
    fleet.hello(0, Hello(1, "n", "boot", frames.START, "probe"), frames.START)
    fleet.schema(0, Schema(1, {}))
    fleet.report(0, Report(1, 1, frames.START, True, {}, {"nvidia": status}), frames.START)
    columns = columns_for(ACCELERATOR_FIELDS, 120)
    at = [column.name for column in columns].index("note")
    assert AcceleratorTable(fleet.frame(), columns, Choice()).cells(0)[at][0] == note

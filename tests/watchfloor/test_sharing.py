"""Frames share columns, and none of them ever changes; what is derived or laid over is right for each row."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.boards import Boards
from tests.support.patience import PATIENCE_SECONDS
from watchfloor.blocks import by_blocks
from watchfloor.columns import Columns
from watchfloor.frame import Cell, Frame
from watchfloor.metrics import CATALOGUE
from watchfloor.model import NODE_SCOPES, Finding, Missing, NodeStatus, Phase, Problem, Scope, State, Subject
from watchfloor.query import parse

LINKS = {Scope.LINK: (["l0", "l1"], ["name", "rx", "tx", "speed"])}
SERVICES = {Scope.SERVICE: (["vllm:8000", "triton:8002"], ["name", "kind", "up", "waiting", "token_rate", "failures"])}


def picture(frame: Frame) -> list[Cell]:
    return [
        frame.view(scope).cell(row, name)
        for scope in NODE_SCOPES
        for name in CATALOGUE[scope]
        for row in range(frame.view(scope).count)
    ]


def test_a_column_of_which_nothing_new_was_told_is_the_very_same() -> None:
    made = Boards()
    made.say({"g0": {"name": "gpu0", "util": 5.0, "temp": 60.0}, "g1": {"name": "gpu1", "util": 6.0, "temp": 61.0}})
    first = made.frame().accelerators
    made.say({"g0": {"name": "gpu0", "util": 7.0, "temp": 60.0}, "g1": {"util": 6.0}})
    second = made.frame().accelerators
    assert second.known("temp") is first.known("temp")
    assert second.codes("name") is first.codes("name")
    assert (first.known("util")[0], second.known("util")[0]) == (5.0, 7.0)
    assert second.roster is first.roster


def test_silence_is_no_change_of_a_column() -> None:
    made = Boards(nodes=2)
    for node in (0, 1):
        made.say({"g0": {"temp": 60.0}}, node)
    first = made.frame().accelerators
    made.fleet.status(0, NodeStatus(Phase.BACKOFF, Problem.CLOSED))
    second = made.frame().accelerators
    assert second.last("temp") is first.last("temp")
    assert [int(reason) for reason in second.reasons("temp")[[0, 2]]] == [Missing.STALE, Missing.NO]
    assert second.cell(0, "temp") == Cell(60.0, Missing.STALE)
    assert np.isnan(second.known("temp")[0])
    assert second.known("temp")[2] == 60.0


def test_the_same_silence_over_the_same_column_is_the_very_same() -> None:
    made = Boards(nodes=3)
    for node in range(3):
        made.say({"g0": {"temp": 60.0, "util": 5.0}}, node)
    made.fleet.status(0, NodeStatus(Phase.BACKOFF, Problem.CLOSED))
    first = made.frame().accelerators
    made.say({"g0": {"util": 7.0}}, 1)
    second = made.frame().accelerators
    assert second.known("temp") is first.known("temp")
    assert (first.known("util")[2], second.known("util")[2]) == (5.0, 7.0)
    made.fleet.status(2, NodeStatus(Phase.BACKOFF, Problem.CLOSED))
    assert np.isnan(made.frame().accelerators.known("temp")[[0, 4]]).all()


def test_rows_of_a_column_alone() -> None:
    made = Boards(tables=LINKS)
    made.say({"l0": {"rx": 5.0, "tx": 2.0, "speed": 10.0}, "l1": {"rx": 1.0, "tx": 2.0}}, scope=Scope.LINK)
    links, rows = made.frame().links, np.array([1, 0])
    for name in ("rx", "usage"):
        part = links.part(name, rows)
        assert part.known.tolist() == pytest.approx(links.known(name)[rows].tolist(), nan_ok=True)
        assert part.missing.tolist() == links.reasons(name)[rows].tolist()


def test_nobody_can_write_into_a_frame() -> None:
    made = Boards()
    made.say({"g0": {"util": 5.0}, "g1": {"util": 6.0}})
    with pytest.raises(ValueError, match="read-only"):
        made.frame().accelerators.known("util")[0] = 1.0


def test_long_columns_are_reckoned_by_blocks() -> None:
    values = np.arange(100_000.0)
    found = by_blocks(lambda one, other: one < other, np.bool_, values, values[::-1])
    assert found.dtype == np.bool_
    assert np.array_equal(found, values < values[::-1])


def test_a_column_of_which_nobody_tells_anything_takes_no_memory() -> None:
    columns = Columns(Scope.LINK, (), lambda *_: None)
    columns.register.rows_for(0, [f"l{at}" for at in range(5000)])
    pictures = columns.pictures()
    assert len(pictures) == len(CATALOGUE[Scope.LINK])
    assert all(one.values.strides == one.missing.strides == (0,) for one in pictures)


steps = st.lists(
    st.tuples(
        st.sampled_from(["say", "lose", "silence", "schema"]), st.integers(0, 3), st.integers(0, 1), st.integers(0, 99)
    ),
    max_size=25,
)


@given(steps)
def test_a_frame_stays_what_it_was_whatever_comes_after(steps: list[tuple[str, int, int, int]]) -> None:
    made = Boards(nodes=2, tables={Scope.ACCELERATOR: (["g0", "g1"], ["name", "util", "temp"])})
    frames: list[tuple[Frame, list[Cell]]] = []
    for what, metric, node, value in steps:
        name = ["name", "util", "temp", "util"][metric]
        if what == "say":
            made.say({f"g{value % 2}": {name: f"text {value}" if name == "name" else float(value)}}, node)
        elif what == "lose":
            made.say({"g1": {name: Missing(1 + value % 6)}}, node)
        elif what == "silence":
            made.fleet.status(node, NodeStatus(Phase.LIVE if value % 2 else Phase.BACKOFF))
        else:
            keys = [["g0", "g1"], ["g1", "g0"], [f"new {value}", "g0", "g1"]][metric % 3]
            made.introduce({Scope.ACCELERATOR: (keys, ["name", "util", "temp"])})
        frame = made.frame()
        frames.append((frame, picture(frame)))
    assert [picture(frame) for frame, _ in frames] == [before for _, before in frames]


def test_frames_are_read_while_the_fleet_goes_on() -> None:
    made = Boards(nodes=20)
    wrong: list[str] = []
    frames: list[Frame] = []

    def read() -> None:
        while not frames or frames[-1].number < 200:
            view = frames[-1].accelerators if frames else None
            if view is not None and len(np.unique(view.known("util"))) > 1:
                wrong.append(str(view.known("util")))

    reader = threading.Thread(target=read)
    reader.start()
    for second in range(200):
        for node in range(20):
            made.say({"g0": {"util": float(second)}, "g1": {"util": float(second)}}, node)
        frames[:] = [made.frame()]
    reader.join(timeout=PATIENCE_SECONDS)
    assert not reader.is_alive()
    assert wrong == []


def test_the_usage_of_a_link_is_that_of_its_busier_direction() -> None:
    made = Boards(tables=LINKS)
    made.say(
        {"l0": {"rx": 10e9, "tx": 20e9, "speed": 50e9}, "l1": {"rx": 1.0, "tx": Missing.TIMED_OUT}}, scope=Scope.LINK
    )
    view = made.frame().links
    assert view.cell(0, "usage") == Cell(40.0)
    assert view.cell(1, "usage") == Cell(None, Missing.TIMED_OUT)
    assert view.known("usage")[0] == 40.0
    made.say({"l1": {"tx": 1.0, "speed": 0.0}}, scope=Scope.LINK)
    assert made.frame().links.cell(1, "usage") == Cell(None, Missing.UNSUPPORTED)
    made.fleet.status(0, NodeStatus(Phase.BACKOFF))
    view = made.frame().links
    assert view.cell(0, "usage") == Cell(40.0, Missing.STALE)
    assert view.reasons("usage").tolist() == [Missing.STALE, Missing.STALE]


def test_services_are_rows_of_their_own() -> None:
    made = Boards(nodes=2, tables=SERVICES)
    made.say({"vllm:8000": {"name": "vllm:8000", "kind": "vllm", "up": 1, "waiting": 12}}, scope=Scope.SERVICE)
    frame = made.frame()
    row = frame.row(Subject(Scope.SERVICE, "n0", "vllm:8000"))
    assert row is not None
    assert frame.view(Scope.SERVICE) is frame.services
    assert frame.services.cell(row, "waiting") == Cell(12.0)
    found = Finding(Subject(Scope.SERVICE, "n0", "vllm:8000"), "queue", State.WARNING, "12 wait")
    states = frame.with_findings([found]).services.states.tolist()
    assert states == [State.WARNING, State.OK, State.UNKNOWN, State.UNKNOWN]  # n1 has not reported


@pytest.mark.parametrize(
    ("text", "scope", "expected"),
    [
        ("waiting > 10", Scope.SERVICE, [True, False, False, False]),
        ("service: kind == vllm", Scope.SERVICE, [True, False, True, False]),
        ("node: max(waiting) > 10", Scope.NODE, [True, False]),
        ("node: count(waiting >= 2) >= 1", Scope.NODE, [True, True]),
        ("node: sum(token_rate) > 100", Scope.NODE, [True, False]),
        ("triton", Scope.SERVICE, [False, True, False, True]),
    ],
)
def test_services_are_queried_as_links_are(text: str, scope: Scope, expected: list[bool]) -> None:
    made = Boards(nodes=2, tables=SERVICES)
    for node, waiting in ((0, 12), (1, 3)):
        vllm = {"name": "vllm:8000", "kind": "vllm", "waiting": waiting, "token_rate": 900 * (1 - node)}
        made.say({"vllm:8000": vllm, "triton:8002": {"name": "triton:8002", "kind": "triton"}}, node, Scope.SERVICE)
    query = parse(text, scope if text == "triton" else None)
    assert query.scope is scope
    assert query.mask(made.frame()).tolist() == expected

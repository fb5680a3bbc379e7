"""What a page must not cut short: sums of links that are not heard any more, names of subjects, samplers not here."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from tests.support.boards import Boards
from tui.present.choice import Sort
from tui.present.fields import ACCELERATOR_FIELDS, longest_text
from tui.present.fields import columns_for as columns
from tui.present.findings import FindingTable, columns_for, summary_line
from tui.present.folds import FoldTable, fold_fields
from tui.present.identity import identity_lines
from tui.present.link_detail import detail_lines
from tui.present.links import LINK_FIELDS, LinkTable
from tui.present.panels import everything_list, process_list
from tui.present.style import UNICODE, Token
from watchfloor.fabric import Surveyor
from watchfloor.folds import Folder, Grouping, fold
from watchfloor.model import Finding, NodeStatus, Phase, Problem, Scope, State, Subject
from watchfloor.record import Record, Records
from watchfloor.report import Process, SamplerStatus


def test_long_names_have_room_where_there_is_room() -> None:
    name = "b200-02 gpu5/nvlink7 of it"
    width = next(column.width for column in columns_for(160, len(name)) if column.name == "subject")
    assert width >= len(name)
    narrow = next(column.width for column in columns_for(80, 60) if column.name == "subject")
    assert narrow <= 20


def test_what_has_just_gone_and_what_a_silent_node_had_are_told_apart() -> None:
    boards = Boards(2)
    boards.pass_time(1)
    boards.fleet.status(1, NodeStatus(Phase.BACKOFF, Problem.REFUSED))
    frame = boards.frame()
    rows = [
        Record(Finding(Subject(Scope.NODE, name), "throttled", State.WARNING, "hot"), frame.at - 9, frame.at - 1)
        for name in ("n0", "n1")
    ]
    frame = replace(frame, records=Records({row.key: row for row in rows}))
    said = "".join(text for text, _ in summary_line(frame, rows, False, UNICODE))
    assert "1 just gone" in said
    assert "1 of silent nodes" in said
    assert FindingTable(frame, rows, columns_for(120)).count == 2


def test_samplers_that_have_nothing_to_read_are_named_and_explained_elsewhere() -> None:
    boards = Boards()
    boards.pass_time(1)
    frame = boards.frame()
    samplers = {
        "host": SamplerStatus(state="ok"),
        "tpu": SamplerStatus(state="absent", text="no TPU on the PCI bus"),
        "xpu": SamplerStatus(state="absent", text="no card of Intel"),
    }
    frame = replace(frame, detail=(replace(frame.detail[0], samplers=samplers),))
    said = "".join(text for line in identity_lines(frame, 0, 120, UNICODE) for text, _ in line)
    assert "samplers 1 ok, 2 not here" in said
    assert "PCI bus" not in said
    listing = everything_list(frame, 0, None)
    told = [" ".join(text for text, _ in listing.cells(at)) for at in range(listing.count)]
    assert any("tpu" in line and "no TPU on the PCI bus" in line for line in told)


def test_what_links_carried_last_is_their_sum() -> None:
    boards = Boards(tables={Scope.LINK: (["l0", "l1"], ["kind", "up", "rx", "tx", "speed"])})
    told = {"kind": "nvlink", "up": 1.0, "rx": 5e9, "tx": 5e9, "speed": 50e9}
    boards.say({"l0": told, "l1": {**told, "rx": 15e9}}, scope=Scope.LINK)
    boards.pass_time(1)
    boards.fleet.status(0, NodeStatus(Phase.BACKOFF, Problem.REFUSED))
    boards.now += 60
    boards.fleet.tick()
    table = _folds(boards)
    told_of = dict(zip((column.name for column in table.columns), table.cells(0), strict=True))
    assert told_of["rx"][0] == "20.0G~"
    assert told_of["usage"][0] == "30~"


def test_traffic_that_is_told_for_both_ways_together_is_said_so() -> None:
    boards = Boards(tables={Scope.LINK: (["p0", "p1"], ["name", "kind", "up", "traffic"])})
    told = {"name": "gpu0/pcie", "kind": "pcie", "up": 1.0}
    boards.say({"p0": {**told, "traffic": 3.75e9}, "p1": told}, scope=Scope.LINK)
    survey = Surveyor().survey(boards.frame())
    table = LinkTable(survey, columns(LINK_FIELDS, 200), Sort("", False))
    assert [table.cells(at)[-1][0] for at in range(2)] == ["3.8 GB/s both ways together", ""]
    assert "both ways together" in "".join(text for text, _ in detail_lines(survey, 0, 200, 9)[0])


def _folds(boards: Boards) -> FoldTable:
    survey = Surveyor().survey(boards.frame())
    folds = fold(survey, Folder().groups(survey, Grouping.NODE))
    return FoldTable(folds, columns(fold_fields(Grouping.NODE), 160), Sort("state", True))


def test_processes_say_what_is_the_matter_with_them() -> None:
    boards = Boards()
    boards.pass_time(1)
    listed = [
        Process(2, "bob", "python b.py", accelerator="g0", orphan=True),
        Process(1, "alice", "python a.py"),
        Process(4, "bob", "tmux", orphan=True),
        Process(3, "carol", "python c.py", state="D", hangs_in="nv_wait"),
        Process(5, "carol", "python d.py", state="D", hangs_in="?"),
    ]
    frame = boards.frame()
    details = {"processes": msgspec.json.encode(listed)}
    frame = replace(frame, detail=(replace(frame.detail[0], details=details),))
    listing = process_list(frame, 0)
    assert [listing.cells(at)[-2] for at in range(5)] == [
        ("without a parent: python b.py", Token.WARNING),
        ("python a.py", Token.TEXT),
        ("tmux", Token.TEXT),
        ("can't be killed, hangs in nv_wait: python c.py", Token.CRITICAL),
        ("can't be killed: python d.py", Token.CRITICAL),
    ]


def test_accelerators_with_long_names_are_told_apart() -> None:
    boards = Boards(1)
    boards.introduce({Scope.ACCELERATOR: (["1", "15"], ["name"])})
    boards.say({key: {"name": f"neuron{key}"} for key in ("1", "15")})
    longest = {"name": longest_text(boards.frame().accelerators, "name")}
    for width in (79, 119, 199):
        name = next(column for column in columns(ACCELERATOR_FIELDS, width, longest) if column.name == "name")
        assert name.width == len("neuron15")

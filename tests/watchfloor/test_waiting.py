"""What a command that reads the fleet once waits for, and what it says of what it has waited for in vain."""

from __future__ import annotations

import json

import pytest

from collectors import supervisor
from tests.support.boards import Boards
from watchfloor.commands.snapshot import DEFAULT_TIMEOUT_SECONDS, tell_of_silent
from watchfloor.commands.waiting import settled
from watchfloor.model import MetricsSource, Missing, NodeSpec, NodeStatus, Phase, Scope
from watchfloor.report import Report, SamplerStatus
from watchfloor.snapshot.document import document
from watchfloor.snapshot.selection import Selection, select
from watchfloor.snapshot.table import table


def heard(**samplers: SamplerStatus) -> Boards:
    """A node with a board, live for a minute, of whose processes nothing has been told."""
    made = Boards(tables={Scope.ACCELERATOR: (["g0"], ["util", "user"])})
    made.fleet.report(0, Report(1, 1, made.now, samplers=samplers), made.now)
    made.pass_time(60)
    return made


def test_who_uses_a_board_is_waited_for() -> None:
    made = heard(nvidia=SamplerStatus("ok", "", 5.0), processes=SamplerStatus("ok", "", 4.0))
    assert not settled(made.frame())
    made.say({"g0": {"user": Missing.UNSUPPORTED}})
    assert settled(made.frame())


def test_samplers_without_an_answer_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    tell_of_silent(heard(host=SamplerStatus("ok", "", 5.0), gaudi=SamplerStatus("absent", "no card")).frame())
    assert capsys.readouterr().err == ""
    tell_of_silent(heard(host=SamplerStatus("ok", "", 5.0), neuron=SamplerStatus("ok", "no answer yet")).frame())
    assert "(--timeout waits longer): n0 (neuron)" in capsys.readouterr().err


def test_samplers_that_hang_are_named_in_remark_and_table(capsys: pytest.CaptureFixture[str]) -> None:
    hung = SamplerStatus("hung", "no answer for 24 s, state D")
    frame = heard(host=SamplerStatus("ok", "", 5.0), nvidia=hung, nvidia_gpm=hung).frame()
    tell_of_silent(frame)
    assert (
        "samplers that hang, for which no --timeout is long enough: n0 (nvidia, nvidia_gpm)" in capsys.readouterr().err
    )
    whole = Selection(frame, select(frame).rows, Scope.NODE)
    assert "  nvidia hangs  " in table(whole).splitlines()[1]
    assert "n0: nvidia hangs: no answer for 24 s, state D; so does nvidia_gpm" in table(whole)


def test_what_a_metrics_server_has_no_answer_of_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    made = heard(prometheus=SamplerStatus("ok", "", 5.0), neuron=SamplerStatus("ok", "no answer yet"))
    made.fleet.specs[0] = NodeSpec("n0", source=MetricsSource("http://127.0.0.1:1"))
    assert settled(made.frame())
    tell_of_silent(made.frame())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("phase", "text"),
    [
        (Phase.STARTING, "still starting when the time was over"),
        (Phase.LIVE, "connected, and without a report when the time was over"),
    ],
)
def test_a_node_that_is_not_read_says_why_also_where_nothing_went_wrong(phase: Phase, text: str) -> None:
    made = Boards()
    made.fleet.status(0, NodeStatus(phase))
    status = json.loads(json.dumps(document(select(made.frame()))))["nodes"][0]["status"]
    assert (status["phase"], status["text"]) == (phase.value, text)


def test_commands_wait_until_a_node_that_never_says_hello_is_called_hung() -> None:
    assert DEFAULT_TIMEOUT_SECONDS > supervisor.HELLO_SECONDS

"""The doctor: every step of the way to a node, with real servers and the real probe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from shutil import which

import pytest

from collectors.diagnose import diagnose
from collectors.diagnosis import (
    ANSWER_SECONDS,
    NODE,
    WAY,
    Check,
    CheckState,
    of_clock,
    of_driver,
    of_permission,
    of_probe,
)  # fmt: skip
from collectors.probe import amd, nvidia, tpu
from collectors.transports.local import LocalTransport
from collectors.transports.ssh import SshTransport
from tests.support.patience import PATIENCE_SECONDS
from tests.support.sshd import Lab
from watchfloor.fleet import Fleet
from watchfloor.model import Missing, NodeSpec
from watchfloor.report import Cells, Hello, Report, SamplerStatus, Schema, Table, note_key

OK, WARNING, FAILED, SKIPPED = CheckState


@pytest.fixture
async def transport() -> AsyncIterator[SshTransport]:
    made = SshTransport()
    yield made
    await made.close()


async def _states(spec: NodeSpec, transport: SshTransport) -> dict[str, Check]:
    checks = await asyncio.wait_for(diagnose(spec, transport), PATIENCE_SECONDS)
    assert [check.name for check in checks] == [*WAY, *NODE]
    for check in checks:
        assert check.text
        assert check.advice if check.state is FAILED else True
    return {check.name: check for check in checks}


async def test_a_good_node(lab: Lab, transport: SshTransport) -> None:
    jump, host = lab.host("jump"), lab.host("node")
    lab.configure(f"Host jump\n  Port {jump.port}\nHost node\n  Port {host.port}\n  ProxyJump jump")
    checks = await _states(lab.spec("node"), transport)
    assert {name: checks[name].state for name in WAY} == dict.fromkeys(WAY, OK)
    assert f"port {host.port} through" in checks["name"].text
    assert checks["python3"].state is OK and "version 3." in checks["python3"].text
    assert checks["clock"].state is OK and "round trip" in checks["clock"].text
    assert "host" in checks["probe"].text


@pytest.mark.parametrize(
    ("known", "authorized", "failed"),
    [(False, True, "host key"), (True, False, "authentication")],
)
async def test_the_step_that_fails_is_named_and_the_rest_skipped(
    lab: Lab, transport: SshTransport, known: bool, authorized: bool, failed: str
) -> None:
    host = lab.host("node", known=known)
    if not authorized:
        (lab.folder / "authorized_keys").write_text("")
    lab.configure(f"Host node\n  Port {host.port}")
    checks = await _states(lab.spec("node"), transport)
    steps = [*WAY, *NODE]
    at = steps.index(failed)
    assert [checks[name].state for name in steps] == [OK] * at + [FAILED] + [SKIPPED] * (len(steps) - at - 1)


async def test_nobody_listens(lab: Lab, transport: SshTransport) -> None:
    lab.configure("Host node\n  Port 1")
    checks = await _states(lab.spec("node"), transport)
    assert (checks["name"].state, checks["ssh"].state, checks["host key"].state) == (OK, FAILED, SKIPPED)


async def test_no_python3(lab: Lab, transport: SshTransport) -> None:
    (lab.folder / "empty").mkdir()
    host = lab.host("node", f"SetEnv PATH={lab.folder}/empty BASH_ENV=/dev/null")
    lab.configure(f"Host node\n  Port {host.port}")
    checks = await _states(lab.spec("node"), transport)
    assert checks["authentication"].state is OK
    assert checks["python3"].state is FAILED and "install python3" in checks["python3"].advice
    assert checks["driver"].state is SKIPPED


async def test_an_nvidia_smi_that_hangs_where_there_is_no_python3(
    lab: Lab, transport: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.diagnose.ANSWER_SECONDS", 0.5)
    folder = lab.folder / "bin"
    folder.mkdir()
    for name in ("sh", "date", "uname", "cat"):
        (folder / name).symlink_to(str(which(name)))
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\nexec {which('sleep')} 30\n")
    (folder / "nvidia-smi").chmod(0o755)
    host = lab.host("node", f"SetEnv PATH={folder} BASH_ENV=/dev/null")
    lab.configure(f"Host node\n  Port {host.port}")
    checks = await _states(lab.spec("node"), transport)
    assert checks["python3"].state is WARNING and checks["driver"].state is FAILED
    assert checks["driver"].text.startswith("nvidia-smi: no answer for")


async def test_a_node_that_lets_in_and_starts_nothing(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node", "MaxSessions 0")
    lab.configure(f"Host node\n  Port {host.port}")
    checks = await _states(lab.spec("node"), transport)
    assert [checks[name].state for name in WAY] == [OK] * len(WAY)
    assert checks["probe"].state is FAILED and "doesn't let us start a program" in checks["probe"].text
    assert "MaxSessions" in checks["probe"].advice and checks["driver"].state is SKIPPED


async def test_a_node_that_prints_garbage(lab: Lab, transport: SshTransport) -> None:
    host = lab.host("node", "ForceCommand /usr/bin/yes")
    lab.configure(f"Host node\n  Port {host.port}")
    checks = await _states(lab.spec("node"), transport)
    assert checks["probe"].state is FAILED and "quiet" in checks["probe"].advice


async def test_a_login_shell_that_never_comes_to_the_probe(
    lab: Lab, transport: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.diagnose.HELLO_SECONDS", 0.5)
    host = lab.host("node", "ForceCommand sleep 30")
    lab.configure(f"Host node\n  Port {host.port}")
    checks = await _states(lab.spec("node"), transport)
    assert checks["probe"].state is FAILED and "start-up files" in checks["probe"].advice


async def test_this_machine() -> None:
    transport = LocalTransport()
    checks = {check.name: check for check in await diagnose(NodeSpec("here", local=True), transport)}
    await transport.close()
    assert checks["ssh"].state is SKIPPED
    assert checks["python3"].state is OK and checks["clock"].state is OK


# -- what is made of what a node says


def _fleet(samplers: dict[str, SamplerStatus], metrics: list[str], cells: Cells, skew: float = 0.0) -> Fleet:
    fleet = Fleet([NodeSpec("n")], lambda: 100.0)
    fleet.hello(0, Hello(1, "n", "b", 0.0, "x"), 100.0)
    fleet.schema(0, Schema(1, {"accelerator": Table(["GPU-0", "GPU-1"], metrics)}))
    notes = {note_key("accelerator.temp", Missing.NOT_PERMITTED): "root only"}
    fleet.report(0, Report(1, 1, 100.0, True, {"accelerator": cells}, samplers, notes), 100)
    fleet.clock(0, skew, 0.01)
    return fleet


_METRICS = ["model", "driver", "temp"]
_GOOD = Cells(xp=[0, 1, 3, 4], x=["H100", "580.1", "H100", "580.1"], p=[2, 5], v=[40.0, 41.0])


def test_devices_are_counted_by_model() -> None:
    frame = _fleet({"nvidia": SamplerStatus("ok", at=1)}, _METRICS, _GOOD).frame()
    check = of_driver(frame, frame.detail[0].samplers)
    assert (check.state, check.text) == (OK, "2 × H100, driver 580.1")
    assert of_permission(frame).state is OK


def test_a_hung_driver_is_a_failure() -> None:
    hung = SamplerStatus("hung", "no answer for 12 s, state D")
    frame = _fleet({"nvidia": hung}, _METRICS, _GOOD).frame()
    check = of_driver(frame, frame.detail[0].samplers)
    assert check.state is FAILED and "state D" in check.text


def test_a_driver_that_never_answered_is_a_failure_and_is_not_called_absent() -> None:
    samplers = {
        "amd": SamplerStatus("absent", "no PCI device of AMD", 5.0),
        "nvidia": SamplerStatus("ok", "no answer yet"),
    }
    check = of_driver(Fleet([NodeSpec("n")], lambda: 100.0).frame(), samplers)
    assert check.state is FAILED and check.text == "nvidia: no answer for 12 s"
    probe = of_probe(
        samplers | {"host": SamplerStatus("ok", "", 5.0), "units": SamplerStatus("ok", "no answer yet")}, None
    )
    assert (probe.state, probe.text) == (WARNING, "units: no answer for 12 s")


def test_the_doctor_waits_until_the_probe_calls_a_driver_hung() -> None:
    assert all(vendor.Sampler.deadline + 2 < ANSWER_SECONDS for vendor in (nvidia, amd, tpu))


def test_no_driver_at_all_says_what_was_looked_for() -> None:
    absent = SamplerStatus("absent", "libnvidia-ml.so.1 not found")
    fleet = Fleet([NodeSpec("n")], lambda: 100.0)
    check = of_driver(fleet.frame(), {"nvidia": absent})
    assert check.state is WARNING and "libnvidia-ml.so.1 not found" in check.text


def test_what_may_not_be_read_is_listed_with_the_drivers_words() -> None:
    refused = Cells(mp=[2, 5], mc=[int(Missing.NOT_PERMITTED)] * 2)
    frame = _fleet({}, _METRICS, refused).frame()
    check = of_permission(frame)
    assert check.state is WARNING and "accelerator.temp" in check.text and "root only" in check.text


def test_what_did_not_answer_is_not_said_to_be_readable() -> None:
    hung = {"nvidia-smi": SamplerStatus("hung", "no answer for 8 s")}
    check = of_permission(_fleet(hung, [], Cells()).frame())
    assert (check.state, check.text) == (SKIPPED, "nothing was read")
    check = of_permission(_fleet({"host": SamplerStatus("ok", "", 5.0), **hung}, [], Cells()).frame())
    assert (check.state, check.text) == (OK, "what answers may be read; nobody knows of nvidia-smi")


def test_a_kernel_log_that_may_not_be_read_is_a_warning() -> None:
    shut_out = SamplerStatus(
        "absent", "kernel log not permitted (/dev/kmsg: Operation not permitted): the group adm may"
    )
    check = of_permission(_fleet({"kernel_log": shut_out}, _METRICS, _GOOD).frame())
    assert check.state is WARNING and check.text == shut_out.text
    assert of_permission(_fleet({"tpu": SamplerStatus("absent", "no TPU")}, _METRICS, _GOOD).frame()).state is OK


def test_a_failed_sampler_of_the_host_is_a_warning() -> None:
    check = of_probe({"host": SamplerStatus("failed", "OSError: no /proc"), "nvidia": SamplerStatus("ok")}, None)
    assert check.state is WARNING and "no /proc" in check.text


def test_a_clock_that_is_off_is_a_warning() -> None:
    assert of_clock(_fleet({}, _METRICS, _GOOD, skew=-40.0).frame()).state is WARNING
    assert of_clock(_fleet({}, _METRICS, _GOOD, skew=0.2).frame()).state is OK

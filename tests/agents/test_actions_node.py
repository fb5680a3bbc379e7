"""Actions on nodes: real processes end, real evidence is kept; reboots, services and diagnostics by their words."""

from __future__ import annotations

import errno
import getpass
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from agents.action import CannotPrepare, Scene
from agents.actions import _programs, collect_evidence
from agents.actions.restart_service import judged, properties
from tests.support.acting import (
    NOW,
    FakeFloor,
    FakeHands,
    LocalHands,
    Machine,
    Values,
    answer,
    deaf,
    frame_of,
    node,
    prepared,
    replies,
    scene_of,
    seen,
    words,
)  # fmt: skip
from watchfloor.change import Command, Done, Effect, Request, Risk
from watchfloor.jobs.model import Allocation, Job, JobState, SchedulerNode
from watchfloor.model import Missing
from watchfloor.report import Process, Workload

GPU = "GPU-aaaaaaaa-0000-0000-0000-000000000000"
BOARD: Values = {"name": "gpu0", "vendor": "NVIDIA", "uuid": GPU, "model": "NVIDIA H100 80GB HBM3", "index": 0.0,
                 "processes": 0.0, "partition_of": ""}  # fmt: skip
JOB = Job(
    "slurm:7", "lab", "slurm", "7", user="maria", state=JobState.RUNNING, started=NOW - 60,
    allocations=(Allocation("n1", 1, (0,)),),
)  # fmt: skip


def scene(
    *, jobs: Sequence[Job] = (), processes: Sequence[Process] = (), works: Sequence[Workload] = (),
    boot: str = "boot-1", silent: bool = False, boards: dict[str, Values] | None = None, **host: float | str | Missing,
) -> Scene:  # fmt: skip
    details = {"processes": msgspec.json.encode(list(processes)), "workloads": msgspec.json.encode(list(works))}
    told = {"uptime": 1000.0, "boot_id": boot, **host}
    machine = Machine("n1", {GPU: BOARD} if boards is None else boards, told, details, boot, silent)
    return scene_of(frame_of([machine], answer(jobs=jobs, nodes=(SchedulerNode("n1", "mixed"),))))


# -- ending a process


class Child:
    """A process of this test's, and what a probe would tell of it."""

    def __init__(self, program: str = "import signal; print('up', flush=True); signal.pause()") -> None:
        self.process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.readline()  # it is up
        self.pid = self.process.pid
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        self.start = int(fields[19])
        cgroups = Path(f"/proc/{self.pid}/cgroup").read_text().splitlines()
        self.cgroup = cgroups[0].split(":", 2)[2]
        self.boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    def identity(self) -> tuple[str, ...]:
        """As the programs are told of it."""
        return str(self.pid), str(self.start), self.boot, getpass.getuser(), self.cgroup

    def told(self, **changes: object) -> Process:
        own = {"pid": self.pid, "user": getpass.getuser(), "command": "python train.py", "cgroup": self.cgroup,
               "accelerator": GPU}  # fmt: skip
        return Process(**{**own, **changes})  # type: ignore[arg-type]

    def scene(self, jobs: Sequence[Job] = (), start: int | None = None, **changes: object) -> Scene:
        works = [Workload(self.pid, self.start if start is None else start)]
        return scene(jobs=jobs, processes=[self.told(**changes)], works=works, boot=self.boot)

    def ended(self) -> bool:
        return self.process.poll() is not None


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    made: list[Child] = []

    def make(*program: str) -> Child:
        made.append(Child(*program))
        return made[-1]

    yield make
    for one in made:
        with suppress(ProcessLookupError):
            one.process.kill()
        one.process.wait()


async def test_a_process_is_ended_and_seen_to_be_gone(child: Callable[..., Child]) -> None:
    one = child()
    action, step = prepared(one.scene(), "kill_process", node(), pid=one.pid)
    hands = LocalHands()
    assert (await seen(action, step, hands)).effect is Effect.NONE
    (done,) = await action.apply(step, hands, "run.s1")
    assert (done.exit_code, done.stdout.strip()) == (0, "gone"), done
    assert one.process.wait() == -15
    assert (await seen(action, step, hands)).effect is Effect.TOOK
    # once more, by a console that knows nothing of the first time
    (again,) = await action.apply(step, LocalHands(), "run.s1")
    assert (again.exit_code, again.stdout.strip()) == (0, "gone")


async def test_what_does_not_heed_sigterm_is_killed(child: Callable[..., Child]) -> None:
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
    one = child(stubborn)
    action, step = prepared(one.scene(), "kill_process", node(), pid=one.pid, grace_seconds=0)
    (done,) = await action.apply(step, LocalHands(), "run.s1")
    assert done.ok, done
    assert one.process.wait() == -9


@pytest.mark.parametrize(
    ("changed", "code", "word"),
    [
        ({"start": 1}, 0, "gone"),
        ({"user": "nobody-else"}, 3, "of "),
        ({"cgroup": "/slurm/uid_1/job_9"}, 3, "in another cgroup"),
        ({"boot": "another"}, 0, "gone"),
    ],
)
async def test_another_process_of_that_pid_is_left_alone(
    child: Callable[..., Child], changed: dict[str, object], code: int, word: str
) -> None:
    one = child()
    told = {"pid": one.pid, "start": one.start, "boot": one.boot, "user": getpass.getuser(), "cgroup": one.cgroup}
    arguments = [str(value) for value in {**told, **changed}.values()]
    done = await LocalHands().look(_programs.program("n1", _programs.END, *arguments, "0"))
    assert (done.exit_code, done.stdout.startswith(word)) == (code, True), done
    assert not one.ended()


async def test_without_handles_of_processes_it_goes_by_pid(child: Callable[..., Child]) -> None:
    """Python before 3.9 has no pidfd."""
    one = child()
    program = "import os, signal\nfor name in ('pidfd_open',):\n    delattr(os, name)\n" + _programs.END
    done = await LocalHands().look(_programs.program("n1", program, *one.identity(), "5"))
    assert (done.exit_code, one.process.wait()) == (0, -15), done


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
async def test_where_the_kernel_has_no_handles_it_goes_by_pid(child: Callable[..., Child], number: int) -> None:
    """Linux before 5.3 has no pidfd, and some sandboxes forbid it."""
    one = child()
    done = await LocalHands().look(_programs.program("n1", failing_handle(number), *one.identity(), "5"))
    assert (done.exit_code, one.process.wait()) == (0, -15), done


@pytest.mark.parametrize("number", [errno.ESRCH, errno.EMFILE])
async def test_what_cannot_be_held_is_not_told_by_its_pid(child: Callable[..., Child], number: int) -> None:
    """By then the pid may be another's."""
    one = child()
    done = await LocalHands().look(_programs.program("n1", failing_handle(number), *one.identity(), "0"))
    assert (done.exit_code, done.stdout) == (1, ""), done
    assert f"process {one.pid} can't be held" in done.stderr
    assert not one.ended()


def failing_handle(number: int) -> str:
    """The program, where handles of processes fail so."""
    fail = f"def fail(pid):\n    raise OSError({number}, os.strerror({number}))\n"
    return f"import os\n{fail}os.pidfd_open = fail\n{_programs.END}"


def test_only_what_holds_an_accelerator_and_belongs_to_no_job_is_ended(child: Callable[..., Child]) -> None:
    one = child()
    for changes, jobs, why in (
        ({"accelerator": ""}, (), "holds no accelerator"),
        ({"cgroup": "/system.slice/ollama.service"}, (), "belongs to a service"),
        ({"job": "slurm:7"}, (JOB,), "belongs to job 7, which goes on"),
    ):
        with pytest.raises(CannotPrepare, match=why):
            prepared(one.scene(jobs, **changes), "kill_process", node(), pid=one.pid)  # type: ignore[arg-type]
    with pytest.raises(CannotPrepare, match="no process 4194303 is told of"):
        prepared(one.scene(), "kill_process", node(), pid=4194303)
    with pytest.raises(CannotPrepare, match="isn't told when process"):
        prepared(scene(processes=[one.told()]), "kill_process", node(), pid=one.pid)


def test_a_process_that_changed_since_the_plan_is_noticed(child: Callable[..., Child]) -> None:
    one = child()
    action, step = prepared(one.scene(), "kill_process", node(), pid=one.pid)
    assert action.precheck(one.scene(), step) == ""
    assert "is another process by now" in action.precheck(one.scene(start=one.start + 1), step)
    assert "is another process by now" in action.precheck(one.scene(job="slurm:8"), step)
    assert "no process" in action.precheck(scene(boot=one.boot), step)
    assert "not heard" in action.precheck(scene(silent=True), step)


def test_the_programs_are_python_3_6() -> None:
    import ast  # noqa: PLC0415

    for text in (_programs.LOOK, _programs.END, _programs.GATHER, _programs.CALL):
        ast.parse(text, feature_version=(3, 6))


# -- services


def shown(state: str, active: float = 0.0, inactive: float = 0.0) -> str:
    return (
        f"ActiveState={state}\nSubState=x\nResult=exit-code\nActiveEnterTimestampMonotonic={active * 1e6:.0f}\n"
        f"InactiveEnterTimestampMonotonic={inactive * 1e6:.0f}\n"
    )


@pytest.mark.parametrize(
    ("told", "effect"),
    [
        (shown("active", 1200.0), Effect.TOOK),
        (shown("active", 30.0), Effect.NONE),
        (shown("activating"), Effect.UNKNOWN),
        (shown("failed", 30.0, 40.0), Effect.NONE),
        (shown("failed", 1200.0, 1201.0), Effect.NONE),
        ("", Effect.UNKNOWN),
    ],
)
async def test_a_service_was_started_anew_or_not(told: str, effect: Effect) -> None:
    action, step = prepared(scene(), "restart_service", node(), unit="nvidia-persistenced")
    assert words(step.deeds[0]) == "sudo -n -- systemctl restart nvidia-persistenced.service"
    assert step.risk is Risk.REVERSIBLE
    assert (await seen(action, step, FakeHands(replies(("systemctl show", told))))).effect is effect
    assert (await seen(action, step, FakeHands(deaf))).effect is Effect.UNKNOWN


def test_a_service_that_failed_again_is_told_so() -> None:
    found = judged("dcgm", properties(shown("failed", 1200.0, 1201.0)), 1000.0)
    assert found.text == "dcgm is failed (x): it was begun and ended again (exit-code)"


def test_what_ends_jobs_is_not_restarted_under_them() -> None:
    action, step = prepared(scene(), "restart_service", node(), unit="nvidia-fabricmanager")
    assert step.risk is Risk.SLOWS
    assert action.precheck(scene(), step) == ""
    assert "jobs 7 are on n1" in action.precheck(scene(jobs=[JOB]), step)
    action, step = prepared(scene(), "restart_service", node(), unit="munge")
    assert action.precheck(scene(jobs=[JOB]), step) == ""
    with pytest.raises(CannotPrepare, match="unit is 'sshd'"):
        prepared(scene(), "restart_service", node(), unit="sshd")
    with pytest.raises(CannotPrepare, match="tells no uptime"):
        prepared(scene(uptime=Missing.FAILED), "restart_service", node(), unit="munge")


# -- reboots


async def test_a_reboot_is_done_when_there_is_another_boot() -> None:
    action, step = prepared(scene(), "reboot_node", node())
    assert words(step.deeds[0]) == "sudo -n -- systemctl reboot"
    assert action.precheck(scene(), step) == ""
    assert "jobs 7 are on n1" in action.precheck(scene(jobs=[JOB]), step)
    assert "was rebooted since" in action.precheck(scene(boot="boot-2"), step)
    running, stopping = (
        FakeHands(replies(("is-system-running", "running"))),
        FakeHands(replies(("is-system-running", Done(1, "stopping")))),
    )
    floor = FakeFloor([scene().frame])
    assert (await seen(action, step, running, floor)).effect is Effect.NONE
    assert (await seen(action, step, stopping, floor)).effect is Effect.UNKNOWN
    assert (await seen(action, step, FakeHands(deaf), floor)).effect is Effect.UNKNOWN
    assert (await seen(action, step, running, FakeFloor([scene(silent=True).frame]))).effect is Effect.UNKNOWN
    found = await seen(action, step, running, FakeFloor([scene(boot="boot-2").frame]))
    assert (found.effect, found.facts) == (Effect.TOOK, {"boot": "boot-2"})


def test_who_reboots_under_jobs_says_so() -> None:
    action, step = prepared(scene(), "reboot_node", node(), with_jobs=True)
    assert action.precheck(scene(jobs=[JOB]), step) == ""


# -- evidence and diagnostics


async def test_evidence_is_kept_with_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "evidence"
    monkeypatch.setattr(collect_evidence, "FOLDER", str(folder))
    action, step = prepared(scene(), "collect_evidence", node())
    hands = LocalHands()
    assert (await seen(action, step, hands)).effect is Effect.NONE
    (done,) = await action.apply(step, hands, "run.s1")
    digest, _, path = done.stdout.splitlines()[0].partition("  ")
    assert done.ok and path == step.after["file"], done
    (kept,) = folder.iterdir()
    told = json.loads(kept.read_text())
    assert [one["command"] for one in told] == list(collect_evidence.COMMANDS)
    assert any(one["status"] == 0 and one["text"] for one in told)
    assert folder.stat().st_mode & 0o077 == 0
    found = await seen(action, step, hands)
    assert (found.effect, found.facts["sha256"]) == (Effect.TOOK, digest)


async def test_evidence_ends_in_time_and_old_evidence_goes(tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    for number in range(4):
        deed = _programs.program("n1", _programs.GATHER, str(folder), f"{number}.json", "0.2", "2", "echo hello",
                                 "no-such-program --at-all", "sleep 600")  # fmt: skip
        done = await LocalHands().look(deed)
        assert done.ok, done
        os.utime(folder / f"{number}.json", (number, number))
    assert sorted(path.name for path in folder.iterdir()) == ["2.json", "3.json"]
    told = {one["command"]: one["status"] for one in json.loads((folder / "3.json").read_text())}
    assert told == {"echo hello": 0, "no-such-program --at-all": "No such file or directory",
                    "sleep 600": "no end within 0.2 s"}  # fmt: skip


async def test_evidence_goes_into_no_folder_of_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "evidence").symlink_to(tmp_path / "real")
    deed = _programs.program("n1", _programs.GATHER, str(tmp_path / "evidence"), "x.json", "5", "2", "echo hello")
    done = await LocalHands().look(deed)
    assert not done.ok and not list((tmp_path / "real").iterdir())


def test_a_bug_report_is_asked_for_by_name() -> None:
    _, step = prepared(scene(), "collect_evidence", node(), bug_report=True)
    assert words(step.deeds[1]).startswith(
        "sudo -n -- nvidia-bug-report.sh --safe-mode --output-file /var/log/watchfloor-"
    )


async def test_a_diagnostic_is_as_long_as_asked_for_and_disturbs_nobody() -> None:
    running = scene(unit_dcgm="running")
    action, step = prepared(running, "run_diagnostic", node())
    assert (words(step.deeds[0]), step.risk) == ("dcgmi diag -r 1 -j", Risk.READ)
    assert action.precheck(scene(jobs=[JOB]), step) == ""
    action, step = prepared(running, "run_diagnostic", node(), level=3)
    assert (step.risk, step.deeds[0].timeout_seconds) == (Risk.SLOWS, 3600.0)
    assert action.precheck(running, step) == ""
    assert "jobs 7 are on n1" in action.precheck(scene(jobs=[JOB]), step)
    busy = scene(boards={GPU: {**BOARD, "processes": 1.0}})
    assert "1 processes are on" in action.precheck(busy, step)
    assert (await seen(action, step, FakeHands())).effect is Effect.UNKNOWN
    _, step = prepared(scene(unit_dcgm="stopped"), "run_diagnostic", node(), level=0)
    assert words(step.deeds[0]) == "nvidia-smi -q"
    with pytest.raises(CannotPrepare, match="DCGM is stopped on n1"):
        prepared(scene(unit_dcgm="stopped"), "run_diagnostic", node(), level=2)
    with pytest.raises(CannotPrepare, match="no boards of NVIDIA's"):
        prepared(scene(boards={}), "run_diagnostic", node())


# -- telling people


def test_messages_and_tickets_go_to_endpoints_by_name() -> None:
    _, step = prepared(scene(), "notify", node(), text="n1 is drained: xid 79")
    deed = step.deeds[0]
    assert isinstance(deed, Request)
    assert (str(deed.place), deed.body["text"], deed.body["target"]) == ("here notify", "n1 is drained: xid 79", "n1")
    _, step = prepared(scene(), "open_ticket", node(), title="GPU off the bus", severity="critical", endpoint="jira")
    deed = step.deeds[0]
    assert isinstance(deed, Request)
    assert (str(deed.place), deed.body["title"], deed.body["node"]) == ("here jira", "GPU off the bus", "n1")
    assert deed.body["mark"]
    for wrong in ("https://chat.example/T0/secret", "../x", ""):
        with pytest.raises(CannotPrepare, match="names no endpoint"):
            prepared(scene(), "notify", node(), text="x", endpoint=wrong)
    with pytest.raises(CannotPrepare, match="severity is 'bad'"):
        prepared(scene(), "open_ticket", node(), title="x", severity="bad")


def test_no_command_is_a_shell_line() -> None:
    for name, given in (("kill_process", {}), ("collect_evidence", {"bug_report": True}), ("reboot_node", {})):
        with suppress(CannotPrepare):
            _, step = prepared(scene(), name, node(), **given)
            assert all(isinstance(deed, Command) and deed.argv[0] not in ("sh", "bash") for deed in step.deeds)

"""Who uses a node: holders of accelerators, large consumers, orphans, zombies, and what doesn't end."""

from __future__ import annotations

import pytest

from collectors.probe import processes, procfs
from collectors.probe.cells import NOT_PERMITTED_CODE, NOT_YET, UNSUPPORTED, Board, Missing
from tests.support.worlds import FileWorld


def stat_text(pid: int, name: str, ticks: int, pages: int, start: int = 1000, state: str = "S", parent: int = 2) -> str:
    spent = f"{parent} 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0"
    return f"{pid} ({name}) {state} {spent} {start} 100000 {pages} 0 0\n"


def process(pid: int, name: str, ticks: int = 0, pages: int = 10, **files: str) -> dict[str, str | OSError]:
    kept = {"stat": stat_text(pid, name, ticks, pages), "cmdline": f"{name}\0--flag\0", "cgroup": "0::/\n", **files}
    return {f"/proc/{pid}/{file}": text for file, text in kept.items()}


@pytest.fixture
def proc() -> FileWorld:
    world = FileWorld({"/proc/uptime": "5000.0 1.0", **process(7, "a) b", pages=50), **process(8, "other")})
    world.files["/proc/7/cgroup"] = "0::/system.slice/slurmstepd.scope/job_4242/step_0/user/task_0\n"
    return world


def test_holders_of_accelerators(proc: FileWorld) -> None:
    board = Board()
    refused = Missing(NOT_PERMITTED_CODE, "Insufficient Permissions")
    board.holders = {
        "nvidia": {"A": [(7, 1 << 30, "compute"), (99, -1, "mps")], "B": [], "C": refused, "D": [(98, 1, "")]}
    }
    reading = processes.Sampler(proc, board).sample()
    cells = reading.cells["accelerator"]
    assert cells["A"] == {
        "user": "alice",
        "job": "slurm:4242",
        "rank": "",
        "run": "",
        "command": "a) b --flag",
        "orphan_mem": 0,
    }
    assert cells["B"] == {"user": "", "job": "", "rank": "", "run": "", "command": "", "orphan_mem": 0}
    assert cells["C"]["user"] is refused
    assert cells["D"]["command"].code == NOT_PERMITTED_CODE  # its process can't be seen from here
    first, second = reading.details["processes"][:2]
    assert (first["pid"], first["accelerator"], first["accelerator_memory_bytes"]) == (7, "A", 1 << 30)
    assert (first["memory_bytes"], first["started_at"]) == (50 * 4096, round(proc.now() - 5000 + 10))
    assert (second["pid"], second["kind"], second["user"]) == (99, "mps", "")


def test_the_largest_consumers(proc: FileWorld) -> None:
    reader = procfs.Processes(proc)
    assert reader.scan(1).top == [7]  # by memory: nobody's time is known yet
    proc.files["/proc/8/stat"] = stat_text(8, "other", 400, 10)
    proc.at += 10
    assert reader.scan(1).top == [8, 7]


def test_processor_share_of_a_process(proc: FileWorld) -> None:
    reader = procfs.Processes(proc)
    reader.describe(8)
    proc.files["/proc/8/stat"] = stat_text(8, "other", 150, 10)
    proc.at += 3
    row = reader.describe(8)
    assert row is not None and row["cpu_percent"] == 50.0
    proc.files["/proc/8/stat"] = stat_text(8, "newer", 1, 10, start=2000)  # the pid was given to another process
    proc.files["/proc/8/cmdline"] = ""
    row = reader.describe(8)
    assert row is not None and row["command"] == "[newer]"
    assert reader.describe(12345) is None


def test_scanning_all_processes_is_rationed(proc: FileWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan that cost 40 ms of CPU is not repeated before that is no more than its share."""
    spent = iter([0.0, 0.040])
    monkeypatch.setattr(proc, "thread_cpu", lambda: next(spent))
    sampler = processes.Sampler(proc, Board())
    proc.at += 5
    sampler.sample()
    proc.at += 0.040 / processes.SCAN_SHARE - 1
    sampler.sample()
    with pytest.raises(StopIteration):
        proc.at += 2
        sampler.sample()


# -- orphans

SESSION = "0::/user.slice/user-1000.slice/session-3.scope\n"


def orphan(
    world: FileWorld, cgroup: str = SESSION, parent: int = 1, init: str = "systemd", memory: int = 500
) -> object:
    """What is said of the memory that process 7 holds on A."""
    world.files["/proc/7/stat"] = stat_text(7, "train", 0, 50, parent=parent)
    world.files["/proc/7/cgroup"] = cgroup
    world.files["/proc/1/comm"] = f"{init}\n"
    board = Board()
    board.holders = {"nvidia": {"A": [(7, memory, "compute"), (8, 3, "compute")]}}
    return processes.Sampler(world, board).sample().cells["accelerator"]["A"]["orphan_mem"]


def test_memory_of_processes_whose_parent_is_gone(proc: FileWorld) -> None:
    assert orphan(proc) == 500
    assert orphan(proc, memory=-1) == UNSUPPORTED


@pytest.mark.parametrize(
    "told",
    [{"parent": 400}, {"cgroup": "0::/system.slice/nvidia-dcgm.service\n"}, {"init": "bash"}],
    ids=["it has one", "a service", "a container's first process is none that adopts"],
)
def test_what_is_no_orphan(proc: FileWorld, told: dict) -> None:
    assert orphan(proc, **told) == 0


# -- zombies, and what doesn't end


def status(state: str, pending: int = 0, own: int = 0) -> str:
    return f"Name:\tpython\nState:\t{state} (some words)\nSigPnd:\t{own:016x}\nShdPnd:\t{pending:016x}\n"


def figures(sampler: processes.Sampler) -> dict:
    return sampler.sample().cells["node"][""]


def test_zombies_are_counted_when_all_of_proc_is_read(proc: FileWorld) -> None:
    proc.files["/proc/sys/kernel/pid_max"] = "4194304\n"
    for pid in (20, 21):
        proc.files[f"/proc/{pid}/stat"] = stat_text(pid, "gone", 0, 0, state="Z")
    sampler = processes.Sampler(proc, Board())
    assert figures(sampler) == {"zombies": NOT_YET, "unkillable": NOT_YET, "pid_max": 4_194_304}
    proc.at += 5
    assert figures(sampler) == {"zombies": 2, "unkillable": 0, "pid_max": 4_194_304}


@pytest.mark.parametrize("signals", [{"pending": 1 << 8}, {"pending": 1 << 14}, {"own": 1 << 8}])
def test_what_was_told_to_end_and_hangs_in_the_kernel(proc: FileWorld, signals: dict) -> None:
    proc.files.update(process(30, "python", wchan="nv_wait_for_gsp", status=status("D", **signals)))
    proc.files["/proc/30/stat"] = stat_text(30, "python", 0, 10, state="D")
    sampler = processes.Sampler(proc, Board())
    proc.at += 5
    assert figures(sampler)["unkillable"] == 0, "it may still end"
    proc.at += 30
    reading = sampler.sample()
    assert reading.cells["node"][""]["unkillable"] == 1
    (row,) = [row for row in reading.details["processes"] if row["pid"] == 30]
    assert (row["state"], row["hangs_in"], row["command"]) == ("D", "nv_wait_for_gsp", "python --flag")
    proc.files["/proc/30/status"] = status("S")
    proc.at += 5
    assert figures(sampler)["unkillable"] == 0


def test_a_holder_that_hangs_is_found_without_reading_all_of_proc(proc: FileWorld) -> None:
    board = Board()
    board.holders = {"nvidia": {"A": [(7, 500, "compute")]}}
    sampler = processes.Sampler(proc, board)
    proc.at += 5
    sampler.sample()
    proc.files["/proc/7/stat"] = stat_text(7, "train", 0, 50, state="D")
    proc.files["/proc/7/status"] = status("D", pending=1 << 8)
    for _ in range(6):
        proc.at += 5
        sampler.sample()
    proc.at += 5
    reading = sampler.sample()
    assert reading.cells["node"][""]["unkillable"] == 1
    (row,) = [row for row in reading.details["processes"] if row["pid"] == 7]
    assert (row["accelerator"], row["hangs_in"]) == ("A", "?"), "the function is root's to see"


@pytest.mark.parametrize("text", [status("D"), status("D", pending=1 << 4), status("S", pending=1 << 8), ""])
def test_waiting_for_a_disk_is_no_hanging(text: str) -> None:
    assert not procfs.is_told_to_end(text)

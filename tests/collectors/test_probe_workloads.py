"""What the probe tells of a process's job, rank, runs, image and commit: real processes, environments, repositories."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.probe import environment, processes
from collectors.probe.cells import NOT_PERMITTED_CODE, UNSUPPORTED_CODE, Board, Missing
from collectors.probe.checkouts import Place, above, packed
from collectors.probe.origins import Sampler
from collectors.probe.procfs import Processes
from collectors.probe.world import World
from tests.support.nvml import Scenario, uuid
from tests.support.probe import RunningProbe, running_probe
from tests.support.worlds import FileWorld
from watchfloor.report import Origin, Workload, decode_detail

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYPLANTED",
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "HF_TOKEN": "hf_PLANTEDplantedPLANTEDplanted",
    "MY_DATABASE": "postgres://u:plantedword@db/x",
    "RANKING": "planted-ranking",
    "XRANK": "planted-xrank",
}
JOB = {
    "SLURM_JOB_ID": "4242", "SLURM_JOB_NAME": "moe --password plantedname", "SLURM_RESTART_COUNT": "1",
    "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_STEP_ID": "0",
    "RANK": "13", "LOCAL_RANK": "5", "WORLD_SIZE": "16", "TORCHELASTIC_RESTART_COUNT": "2",
    "TORCHELASTIC_RUN_ID": "none", "WANDB_RUN_ID": "3fk2a9x1", "WANDB_PROJECT": "moe", "WANDB_ENTITY": "floor",
    "MLFLOW_RUN_ID": "no hex at all: plantedrun", "CUDA_VISIBLE_DEVICES": "0,1",
    "APPTAINER_CONTAINER": "/images/torch.sif",
}  # fmt: skip
PLANTED = (*SECRETS.values(), "planted", "hunter2")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A real repository with one commit."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def git(folder: Path, *words: str) -> str:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=no"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def at_work(folder: Path, variables: dict[str, str]) -> Iterator[int]:
    """A process that waits there, its environment these variables alone; its pid."""
    argv = [sys.executable, "-IS", "-c", "import sys; sys.stdin.read()", "--password", "hunter2"]
    with subprocess.Popen(argv, cwd=folder, env=variables, stdin=subprocess.PIPE) as process:
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()


def commit_of(folder: Path) -> tuple[str, str | Missing]:
    return Place(World(), "", os.getuid()).checkout(str(folder))


def test_the_wire_has_rank_run_and_commit_and_no_secret(library: Path, tmp_path: Path, repository: Path) -> None:
    scenario = Scenario(tmp_path / "scenario")
    scenario.gpus(2, nvlinks=4)
    (repository / "src").mkdir()
    with (
        at_work(repository / "src", {**SECRETS, **JOB}) as pid,
        running_probe(scenario.environment(library)) as probe,
    ):
        scenario.set("gpu.0.processes.compute", f"{pid}:{1 << 30}")
        probe.until(lambda now: now.accelerator(uuid(0)).get("rank") == "13" and "origins" in now.details)
        work = next(row for row in detail(probe, "workloads") if isinstance(row, Workload) and row.pid == pid)
        (origin,) = (row for row in detail(probe, "origins") if isinstance(row, Origin))
        raw = b"".join(probe.raw).decode()
    assert [word for word in PLANTED if word in raw] == []
    assert set(work.environment) == set(JOB) - {"MLFLOW_RUN_ID"}
    assert work.environment["SLURM_JOB_NAME"] == "moe --password ***"
    assert (work.rank, work.local_rank, work.world_size, work.restart, work.requeue) == (13, 5, 16, 2, 1)
    assert (work.run_ids, work.directory) == ({"wandb": "floor/moe/3fk2a9x1"}, str(repository / "src"))
    assert (origin.pid, origin.start, origin.image) == (pid, work.start, "/images/torch.sif")
    assert (origin.checkout, origin.commit) == (str(repository), git(repository, "rev-parse", "HEAD"))
    gpu = probe.mirror.accelerator(uuid(0))
    assert (gpu["run"], gpu["job"]) == ("wandb:floor/moe/3fk2a9x1", "slurm:4242")


def detail(probe: RunningProbe, name: str) -> list[object]:
    return list(decode_detail(name, probe.mirror.details[name]))


def test_an_environment_that_may_not_be_read_says_so() -> None:
    refused = PermissionError(errno.EACCES, "Permission denied")
    stat = "7 (python) S 1 1 1 0 -1 0 0 0 0 0 1 0 0 0 20 0 1 0 1000 100000 10 0 0\n"
    world = FileWorld({"/proc/uptime": "5000.0 1.0", "/proc/7/stat": stat, "/proc/7/environ": refused})
    board = Board()
    board.holders = {"nvidia": {"A": [(7, 1, "compute")]}}
    reading = processes.Sampler(world, board).sample()
    words = "/proc/PID/environ: Permission denied; it takes a probe that runs as root or as alice"
    cells = reading.cells["accelerator"]["A"]
    assert cells["rank"] == cells["run"] == Missing(NOT_PERMITTED_CODE, words)
    assert cells["user"] == "alice"
    assert reading.details["workloads"] == [{"pid": 7, "start": 1000, "missing": NOT_PERMITTED_CODE, "words": words}]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_the_kernel_refuses_what_others_own(tmp_path: Path) -> None:
    """A real process of root's, looked at as nobody."""
    with at_work(tmp_path, JOB) as pid:
        program = (
            "import os, pwd\nfrom collectors.probe.procfs import Processes\nfrom collectors.probe.world import World\n"
            "os.setgid(65534)\nos.setuid(65534)\n"
            f"found = Processes(World()); found.describe({pid}); print(found.workload({pid}))\n"
        )
        root = Path(__file__).resolve().parents[2]
        shown = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{program}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert f"'missing': {NOT_PERMITTED_CODE}" in shown.stdout, shown.stderr
    assert "runs as root or as root" in shown.stdout and "4242" not in shown.stdout


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ("RANK=3 LOCAL_RANK=3 WORLD_SIZE=8 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_STEP_ID=0", (3, 3, 8)),
        ("OMPI_COMM_WORLD_RANK=9 OMPI_COMM_WORLD_LOCAL_RANK=1 OMPI_COMM_WORLD_SIZE=16", (9, 1, 16)),
        ("PMIX_RANK=9 SLURM_PROCID=9 SLURM_LOCALID=1 SLURM_NTASKS=16 SLURM_STEP_ID=0", (9, 1, 16)),
        ("JAX_PROCESS_ID=2 JAX_PROCESS_COUNT=4 SLURM_PROCID=1 SLURM_NTASKS=4 SLURM_STEP_ID=0", (2, None, 4)),
        ("SLURM_PROCID=3 SLURM_LOCALID=1 SLURM_NTASKS=4 SLURM_STEP_ID=2", (3, 1, 4)),
        ("SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NTASKS=4", (None, None, None)),  # a batch script
        ("LOCAL_RANK=2 SLURM_PROCID=1 SLURM_LOCALID=0 SLURM_STEP_ID=0", (None, 2, None)),  # a launcher's worker
        ("RANK=8 WORLD_SIZE=8", (None, None, None)),
        ("RANK=-1 WORLD_SIZE=eight", (None, None, None)),
    ],
)
def test_ranks_are_those_of_the_nearest_launcher(variables: str, expected: tuple[int | None, ...]) -> None:
    told = environment.told(environment.allowed(variables.replace(" ", "\0").encode() + b"\0"))
    assert tuple(told.get(name) for name in ("rank", "local_rank", "world_size")) == expected


def test_values_without_the_form_of_their_variable_are_left_out() -> None:
    found = environment.allowed(
        b"SLURM_JOB_ID=42; rm\0RANK=\xff\0POD_NAME=llm-0\0POD_NAME=second\0WANDB_PROJECT=hf_abcdefghijklmnopqrst\0"
        b"CUDA_VISIBLE_DEVICES=GPU-00112233-aaaa-bbbb-cccc-001122334455,MIG-00112233\0ROCR_VISIBLE_DEVICES=a b\0"
        b"HIP_VISIBLE_DEVICES=\0SLURM_CLUSTER_NAME=" + b"x" * 200 + b"\0RANK\0=\0\0"
    )
    assert found == {
        "POD_NAME": "llm-0",
        "WANDB_PROJECT": "hf_***",
        "CUDA_VISIBLE_DEVICES": "GPU-00112233-aaaa-bbbb-cccc-001122334455,MIG-00112233",
        "HIP_VISIBLE_DEVICES": "",
    }


def test_ranks_in_few_words() -> None:
    told = [environment.rank_text(ranks) for ranks in ([], [3], [2, 1, 0, 3], [8, 0, 1, 8])]
    assert told == ["", "3", "0-3", "0-1,8"]


def test_no_number_is_cut_into_another_one() -> None:
    told = environment.rank_text(range(0, 2000, 3))
    assert len(told) <= 1026 and told.endswith(",…")
    assert set(told.split(",")[:-1]) < {str(rank) for rank in range(0, 2000, 3)}


@pytest.mark.parametrize(
    ("cgroup", "kept"),
    [
        ("0::/kubepods.slice/kubepods-pod0c1f2e3d_1111_2222_3333_444455556666.slice/x", {"HOSTNAME", "RANK"}),
        ("0::/system.slice/slurmstepd.scope/job_1/step_0", {"RANK"}),
        ("0::/user.slice/user-1000.slice/session-3.scope", {"RANK"}),
    ],
)
def test_the_name_of_a_host_is_kept_where_it_is_a_pods(cgroup: str, kept: set[str]) -> None:
    stat = "7 (python) S 1 1 1 0 -1 0 0 0 0 0 1 0 0 0 20 0 1 0 1000 100000 10 0 0"
    environ = "HOSTNAME=train-0\0RANK=2\0HOSTNAME_SECRET=x\0"
    world = FileWorld({"/proc/uptime": "5000.0 1.0", "/proc/7/stat": stat, "/proc/7/environ": environ})
    world.files["/proc/7/cgroup"] = cgroup
    reader = Processes(world)
    reader.describe(7)
    assert set(reader.workload(7)["environment"]) == kept


@pytest.mark.parametrize("refused", [False, True])
def test_a_pod_is_named_as_its_kubelet_calls_it_whoever_asks(refused: bool) -> None:
    uid, other = "0c1f2e3d-1111-2222-3333-444455556666", "1c1f2e3d-1111-2222-3333-444455556666"
    logs = {f"/var/log/pods/{name}/main/0.log": "" for name in (f"serving_llama-0_{uid}", f"serving_llama-1_{other}")}
    hostile = {"/var/log/pods/Serving_x y_" + uid + "/x": "", "/var/log/pods/serving_" + uid + "/x": ""}
    stat = "7 (python) S 1 1 1 0 -1 0 0 0 0 0 1 0 0 0 20 0 1 0 1000 100000 10 0 0"
    world = FileWorld({"/proc/uptime": "5000.0 1.0", "/proc/7/stat": stat, **hostile, **logs})
    world.files["/proc/7/environ"] = PermissionError(errno.EACCES, "Permission denied") if refused else ""
    world.files["/proc/7/cgroup"] = f"0::/kubepods.slice/kubepods-pod{uid.replace('-', '_')}.slice/x"
    reader = Processes(world)
    reader.describe(7)
    assert reader.workload(7)["pod"] == "serving/llama-0"
    world.files = {path: text for path, text in world.files.items() if not path.startswith("/var/log")}
    world.files["/proc/7/stat"] = stat.replace("python", "other")
    reader.describe(7)
    assert "pod" not in reader.workload(7)


def test_a_program_that_takes_anothers_place_is_looked_at_anew() -> None:
    """exec keeps pid and start: the shell's environment is not that of what it then runs."""
    stat = "7 (%s) S 1 1 1 0 -1 0 0 0 0 0 1 0 0 0 20 0 1 0 1000 100000 10 0 0"
    files = {"/proc/uptime": "5000.0 1.0", "/proc/7/stat": stat % "sh", "/proc/7/environ": "SLURM_JOB_ID=1\0"}
    world = FileWorld({**files, "/proc/7/cgroup": "0::/init.scope"})
    reader = Processes(world)
    row = reader.describe(7)
    assert row is not None and row["job"] == "slurm:1"
    world.files.update({"/proc/7/stat": stat % "python", "/proc/7/environ": "SLURM_JOB_ID=1\0RANK=2\0"})
    reader.describe(7)
    assert reader.workload(7)["rank"] == 2


def test_commits_loose_packed_detached_of_worktrees_and_of_sha256(repository: Path, tmp_path: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    assert commit_of(repository) == (str(repository), head)
    git(repository, "pack-refs", "--all")
    assert commit_of(repository) == (str(repository), head)
    git(repository, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "side/branch")
    git(tmp_path / "tree", "commit", "-q", "--allow-empty", "-m", "second")
    assert commit_of(tmp_path / "tree") == (str(tmp_path / "tree"), git(tmp_path / "tree", "rev-parse", "HEAD"))
    git(repository, "checkout", "-q", "--detach")
    assert commit_of(repository) == (str(repository), head)
    other = tmp_path / "long"
    other.mkdir()
    git(other, "init", "-q", "--object-format=sha256")
    unborn = commit_of(other)[1]
    assert isinstance(unborn, Missing) and unborn.code == UNSUPPORTED_CODE and "no commit" in unborn.note
    git(other, "commit", "-q", "--allow-empty", "-m", "first")
    assert commit_of(other) == (str(other), git(other, "rev-parse", "HEAD"))


def test_no_repository_is_nothing_to_speak_of(tmp_path: Path) -> None:
    assert Place(World(), str(tmp_path), os.getuid()).checkout("/some/where") == ("", Missing(UNSUPPORTED_CODE))
    assert above("/a/b") == ["/a/b", "/a", "/"]
    assert above("(unreachable)/x") == []


@pytest.mark.parametrize("trap", ["pipe", "link", "escape", "words", "device"])
def test_what_a_user_lays_out_in_a_repository_is_neither_waited_for_nor_told(
    repository: Path, tmp_path: Path, trap: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a" * 40 + "\n")
    head = repository / ".git" / "HEAD"
    head.unlink()
    if trap == "pipe":
        os.mkfifo(head)
    elif trap == "link":
        head.symlink_to(secret)
    elif trap == "device":
        head.symlink_to("/dev/zero")
    else:
        head.write_text("ref: refs/../../secret\n" if trap == "escape" else "hunter2\n")
    folder, commit = commit_of(repository)
    assert isinstance(commit, Missing)
    assert "hunter2" not in f"{folder}{commit.note}"


@pytest.mark.skipif(os.getuid() != 0, reason="only root has more to lead astray than the user has")
def test_a_privileged_probe_reads_only_what_the_processs_user_may(repository: Path) -> None:
    """A hard link makes anybody's file look like one of the repository; its owner stays."""
    (repository / ".git" / "HEAD").write_text("a" * 40 + "\n")
    (repository / ".git" / "HEAD").chmod(0o600)
    _, commit = Place(World(), "", 1234).checkout(str(repository))
    assert isinstance(commit, Missing) and commit.code == NOT_PERMITTED_CODE


def test_packed_references() -> None:
    one, two = "1" * 40, "2" * 40
    text = f"# pack-refs with: peeled fully-peeled sorted\n{one} refs/heads/a\n{two} refs/tags/v1\n^{one}\n"
    assert (packed(text, "refs/heads/a"), packed(text, "refs/tags/v1"), packed(text, "heads/a")) == (one, two, "")


def test_origins_are_looked_at_once_a_process(tmp_path: Path, repository: Path) -> None:
    reads: list[str] = []

    class Counting(World):
        def read_plain(self, path: str, most: int, uid: int) -> str:
            reads.append(path)
            return super().read_plain(path, most, uid)

    board = Board()
    with at_work(repository, {}) as pid:
        board.holders = {"nvidia": {"A": [(pid, 1, "compute")], "B": [(pid, 1, "compute")]}}
        sampler = Sampler(Counting(), board)
        first = sampler.sample().details["origins"]
        count = len(reads)
        assert sampler.sample().details["origins"] == first
        assert first[0]["commit"] == git(repository, "rev-parse", "HEAD")
    assert count == len(reads) > 0
    board.holders = {}
    assert sampler.sample().details["origins"] == []

"""A real Slurm on this one host: a controller, N nodes with generic GPUs, accounting in a real database.

Everything lies in one folder and listens on loopback alone; every process is stopped by its own pid. The nodes' GPUs
are clones of /dev/null, of which Slurm wants no more than that they exist.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from collectors.sources.slurm import Source
from collectors.transports.local import LocalTransport
from collectors.transports.ssh import WallClock
from tests.support import parts
from tests.support.sshd import free_port
from watchfloor.jobs.model import Job, JobSourceSpec, SchedulerNode, SourceAnswer
from watchfloor.model import NodeSpec

GPUS, KIND = 8, "h100"
_PATIENCE_SECONDS = 30.0
_PROGRAMS = {
    "munged": "munge", "slurmctld": "slurmctld", "slurmd": "slurmd", "squeue": "slurm-client",
    "slurmdbd": "slurmdbd", "mariadbd": "mariadb-server", "setpriv": "util-linux",
}  # fmt: skip

_CONTROLLER = """
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
CommunicationParameters=NoInAddrAny
MpiDefault=none
ReturnToService=1
SlurmctldTimeout=1
SlurmdTimeout=60
MinJobAge=300
KillWait=2
MessageTimeout=10
TCPTimeout=2
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_min_interval=0,sched_interval=1
PriorityType=priority/multifactor
RequeueExit=99
JobRequeue=1
MailProg=/bin/true
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={database_port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu,gres/gpu:{kind}
AccountingStoreFlags=job_comment
"""

_NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} Sockets=2 CoresPerSocket=8 ThreadsPerCore=1 "
    "RealMemory=64000 Gres=gpu:{kind}:{gpus} Feature={kind} State=UNKNOWN\n"
)

_DATABASE = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={database_port}
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageLoc=slurm_acct_db
StorageUser=root
CommunicationParameters=NoInAddrAny
"""

_STORE = """
[mysqld]
datadir={folder}/mysql
socket={folder}/mysql.socket
pid-file={folder}/mysql.pid
skip-networking
skip-grant-tables
skip-log-bin
user=root
innodb_buffer_pool_size=64M
innodb_log_file_size=16M
innodb_lock_wait_timeout=900
innodb_flush_log_at_trx_commit=0
innodb_flush_method=nosync
innodb_doublewrite=0
innodb_file_per_table=0
innodb_stats_persistent=0
performance_schema=OFF
"""


def need() -> None:
    """End the running test where no Slurm can run here."""
    for name, package in _PROGRAMS.items():
        parts.program(name, package)
    if os.getuid() != 0:
        parts.missing("root, who alone may start a Slurm for all users,")
    try:
        address = socket.gethostbyname(socket.gethostname().partition(".")[0])
    except OSError:
        address = ""
    if not address.startswith("127."):
        parts.missing("this host's name at 127.0.0.1, as in /etc/hosts (Slurm finds its controller by it),")


@dataclass
class Slurm:
    """One running cluster."""

    folder: Path
    node_names: tuple[str, ...]
    ports: dict[str, int] = field(default_factory=dict)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    # -- what tests do

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    def spec(self, timeout_seconds: float = 20.0, **options: str) -> JobSourceSpec:
        """A source that asks this cluster on this machine, a minute apart unless woken."""
        login = NodeSpec("login", local=True)
        return JobSourceSpec("lab", "slurm", login, {"conf": str(self.conf)} | options, 60.0, timeout_seconds)

    def run(self, *command: str) -> str:
        """A client command's output. Raises CalledProcessError."""
        done = subprocess.run(
            command, env=self._environment(), check=False, capture_output=True, text=True, timeout=30,
            stdin=subprocess.DEVNULL, cwd=self.folder,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
        return done.stdout.strip()

    def submit(self, *options: str, script: str = "sleep 600") -> int:
        """A batch job's id."""
        text = self.run("sbatch", "--parsable", "--output=/dev/null", "--mem=100", *options, f"--wrap={script}")
        return int(text.partition(";")[0])

    def cancel_all(self) -> None:
        self.run("scancel", "--user=root")
        self._until("no jobs", lambda: not self.run("squeue", "--noheader"))

    def resume_all(self) -> None:
        """Every node takes work, whoever drained it."""
        for name in self.node_names:
            if "DRAIN" in self.run("scontrol", "-o", "show", "node", name):
                self.run("scontrol", "update", f"NodeName={name}", "State=RESUME")
        self.wait_for_nodes()

    def wait(self, holds: Callable[[], bool]) -> None:
        """Until what a test has set off has come."""
        self._until("what the test waits for", holds)

    def stop_controller(self) -> None:
        """It saves its state and ends: to those who ask, it is gone."""
        self._kill("slurmctld", signal.SIGTERM)

    @contextmanager
    def hung_controller(self) -> Iterator[None]:
        """It takes connections, and answers none."""
        self._running["slurmctld"].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._running["slurmctld"].send_signal(signal.SIGCONT)
            self._until("the controller", self._answers)

    def start_controller(self) -> None:
        """It comes back. Nodes that are told to read their settings register at once; it would ask them after 4 s."""
        self._start_controller()
        for name in self.node_names:
            if daemon := self._running.get(f"slurmd-{name}"):
                daemon.send_signal(signal.SIGHUP)
        self.wait_for_nodes()

    def _start_controller(self) -> None:
        self._start("slurmctld", "slurmctld", "-D")
        self._until("the controller", self._answers)

    def stop_node(self, name: str) -> None:
        self._kill(f"slurmd-{name}", signal.SIGKILL)

    def start_node(self, name: str) -> None:
        (self.folder / "spool" / name).mkdir(parents=True, exist_ok=True)
        self._start(f"slurmd-{name}", "slurmd", "-D", "-N", name)

    def wait_for_nodes(self) -> None:
        """Until every node takes work."""

        def ready() -> bool:
            words = self.run("sinfo", "--noheader", "--Node", "--partition=train", "--format=%N %T").split()[1::2]
            return len(words) == len(self.node_names) and set(words) <= {"idle", "mixed", "allocated", "planned"}

        self._until("all nodes", ready)

    # -- how it comes and goes

    def start(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        self._configure()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        self._start(
            "munged", "munged", "-F", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munged.seed", "--num-threads=2",
        )  # fmt: skip
        self._start_store()
        self._until("munge", (self.folder / "munge.socket").is_socket)
        self._start("slurmdbd", "slurmdbd", "-D")
        self._until("slurmdbd", lambda: self._succeeds("sacctmgr", "-i", "add", "cluster", "lab"))
        for name in self.node_names:
            self.start_node(name)
        self._start_controller()
        self.wait_for_nodes()

    def _configure(self) -> None:
        folder = self.folder
        names = ("controller", "database", *self.node_names)
        self.ports = {name: free_port() for name in names}
        values = {
            "folder": folder, "host": socket.gethostname().partition(".")[0], "kind": KIND, "gpus": GPUS,
            "controller_port": self.ports["controller"], "database_port": self.ports["database"],
        }  # fmt: skip
        nodes = "".join(_NODE.format(name=name, port=self.ports[name], **values) for name in self.node_names)
        partitions = (
            "PartitionName=train Nodes=ALL Default=YES DefaultTime=01:00:00 State=UP\n"
            f"PartitionName=debug Nodes={self.node_names[0]} MaxTime=00:30:00 State=UP\n"
        )
        self.conf.write_text(_CONTROLLER.format(**values) + nodes + partitions)
        devices = folder / "dev"
        devices.mkdir()
        for number in range(GPUS):
            self._device(devices / f"nvidia{number}")
        (folder / "gres.conf").write_text(
            f"AutoDetect=off\nNodeName={','.join(self.node_names)} Name=gpu Type={KIND} "
            f"File={devices}/nvidia[0-{GPUS - 1}]\n"
        )
        for name in ("cgroup.conf", "plugstack.conf"):
            (folder / name).touch()
        (folder / "slurmdbd.conf").write_text(_DATABASE.format(**values))
        (folder / "slurmdbd.conf").chmod(0o600)
        (folder / "my.cnf").write_text(_STORE.format(**values))

    @staticmethod
    def _device(path: Path) -> None:
        try:
            os.mknod(path, 0o666 | 0o020000, os.makedev(1, 3))
        except PermissionError:
            parts.missing("the right to make device files")

    def _start_store(self) -> None:
        """Of the system's tables only what slurmdbd's procedures need: mariadb-install-db takes a second longer."""
        tables = Path("/usr/share/mysql/mysql_system_tables.sql")
        if not tables.is_file():
            parts.missing(f"{tables} (Debian: mariadb-server)")
        (self.folder / "mysql").mkdir()
        made = subprocess.run(
            [parts.program("mariadbd", "mariadb-server"), f"--defaults-file={self.folder}/my.cnf", "--bootstrap"],
            input=b"create database mysql;\nuse mysql;\n" + tables.read_bytes(), capture_output=True, check=False,
            timeout=60,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr.decode()
        self._start("mariadbd", "mariadbd", f"--defaults-file={self.folder}/my.cnf")
        self._until("mariadb", (self.folder / "mysql.socket").is_socket)

    def _answers(self) -> bool:
        return self._succeeds("scontrol", "ping")

    def _succeeds(self, *command: str) -> bool:
        with suppress(AssertionError, subprocess.TimeoutExpired):
            self.run(*command)
            return True
        return False

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
            "HOME": str(self.folder),
            "SLURM_CONF": str(self.conf),
            "MYSQL_UNIX_PORT": str(self.folder / "mysql.socket"),
        }

    def _start(self, key: str, *command: str) -> None:
        with (self.folder / f"{key}.out").open("ab") as log:
            self._running[key] = subprocess.Popen(
                # with the test run they die, however that ends
                ["setpriv", "--pdeathsig", "KILL", parts.program(command[0], _PROGRAMS[command[0]]), *command[1:]],
                env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                start_new_session=True,
            )  # fmt: skip

    def _kill(self, key: str, number: signal.Signals) -> None:
        process = self._running.pop(key)
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not holds():
            dead = [key for key, process in self._running.items() if process.poll() is not None]
            assert not dead, f"{dead} ended: {self._logs(dead)}"
            assert time.monotonic() < deadline, f"waited {_PATIENCE_SECONDS:g} s for {what}"
            time.sleep(0.02)  # between two questions, up to a deadline: daemons tell nobody when they are ready

    def _logs(self, keys: list[str]) -> str:
        texts = [(self.folder / f"{key}.out").read_text(errors="replace")[-2000:] for key in keys]
        return "\n".join(texts)

    def close(self) -> None:
        """Jobs first, then the daemons, the database last."""
        for pid in self._of_jobs():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        quick = [key for key in self._running if key not in ("slurmdbd", "mariadbd")]
        for key in [*quick, *(key for key in ("slurmdbd", "mariadbd") if key in self._running)]:
            self._kill(key, signal.SIGKILL)

    def _of_jobs(self) -> Iterator[int]:
        """Jobs and their keepers (slurmstepd), which leave the daemon's session: known by this cluster's settings."""
        mark = f"SLURM_CONF={self.conf}\0".encode()
        daemons = {process.pid for process in self._running.values()}
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if int(path.name) not in daemons and mark in (path / "environ").read_bytes() + b"\0":
                    yield int(path.name)


@contextmanager
def running_slurm(folder: Path, nodes: int = 4) -> Iterator[Slurm]:
    """A cluster that is up; 4 nodes take some 5 s. Ends the test where that can't be."""
    need()
    cluster = Slurm(folder, tuple(f"gpu{number:03d}" for number in range(1, nodes + 1)))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()
        shutil.rmtree(folder / "mysql", ignore_errors=True)


class Watch:
    """A source, running, and what it told last."""

    def __init__(self, spec: JobSourceSpec) -> None:
        self.transport = LocalTransport()
        self.source = Source(spec, self.transport, WallClock())
        self.told: list[SourceAnswer] = []
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Watch:
        self._task = asyncio.create_task(self.source.run(self._take))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self.transport.close()

    def _take(self, answer: SourceAnswer) -> None:
        self.told.append(answer)
        self._more.set()

    async def until(self, enough: Callable[[SourceAnswer], object], seconds: float = 30.0) -> SourceAnswer:
        """Ask again and again until an answer is enough."""
        try:
            async with asyncio.timeout(seconds):
                while not (self.told and enough(self.told[-1])):
                    await asyncio.sleep(0.05)  # between two questions, up to a deadline: a scheduler tells nobody
                    self._more.clear()
                    self.source.wake()
                    await self._more.wait()
        except TimeoutError:
            last = self.told[-1] if self.told else None
            raise AssertionError(f"waited {seconds:g} s; told last: {last}") from None
        return self.told[-1]


def job(answer: SourceAnswer, number: int | str) -> Job | None:
    """By id or by what people call it."""
    return next((job for job in answer.jobs if str(number) in (job.number, job.id.removeprefix("slurm:"))), None)


def node(answer: SourceAnswer, name: str) -> SchedulerNode:
    return next(node for node in answer.nodes if node.name == name)

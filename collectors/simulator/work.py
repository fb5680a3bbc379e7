"""Jobs of the simulated floor: who runs what where, and what it does to the boards at a given second.

Pure functions of time: two nodes of one job agree on its phase without talking to each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

GAP_SECONDS = 35.0  # between one job and the next in the same place
WARM_UP_SECONDS = 18.0  # loading data and weights
CHECKPOINT_SECONDS = 13.0
EPOCH_BEFORE_START = 5_000.0  # jobs are under way when the demo starts


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of work. `draw` and `busy` are shares of the board's power range and time while computing."""

    name: str
    command: str
    draw: float
    busy: float
    memory: float  # share of the board's memory
    fabric: float  # share of the NVLink and InfiniBand speed that its communication uses
    step_seconds: float
    checkpoint_every: float  # 0: never
    lasts: float  # seconds from one job's start to the next's
    pod: bool = False  # run by Kubernetes rather than Slurm


KINDS = {
    kind.name: kind
    for kind in (
        Kind("pretrain", "/opt/venv/bin/python -u pretrain.py --config configs/moe-90b.yaml --resume auto",
             0.90, 0.99, 0.91, 0.55, 6.7, 170, 2400),
        Kind("finetune", "python -m torch.distributed.run --nproc-per-node=gpu sft.py --model llama-70b --lora 64",
             0.78, 0.97, 0.74, 0.25, 4.3, 240, 900),
        Kind("inference", "/usr/bin/python3 -m vllm.entrypoints.openai.api_server --model mixtral-8x22b --port 8000",
             0.62, 0.80, 0.90, 0.06, 97.0, 0, 7200, pod=True),
        Kind("maxtext", "python3 -m MaxText.train MaxText/configs/base.yml run_name=gemma-27b",
             0.84, 0.96, 0.86, 0.40, 8.1, 210, 2400),
        Kind("neuronx", "python3 -m torch.distributed.run --nproc_per_node=64 tp_zero1_llama3_70B_hf_pretrain.py",
             0.80, 0.94, 0.82, 0.45, 7.3, 200, 2400),
        Kind("optimum", "python3 run_lora_clm.py --model_name_or_path meta-llama/Llama-3.1-70B --use_habana",
             0.82, 0.95, 0.78, 0.30, 5.2, 220, 1200),
        Kind("notebook", "/opt/conda/bin/python -m ipykernel_launcher -f /run/user/2007/jupyter/kernel-4f1c.json",
             0.0, 0.0, 0.83, 0.0, 60.0, 0, 7200),
    )
}  # fmt: skip

USERS = {"mara": 2001, "jonas": 2002, "wei": 2003, "priya": 2004, "tomas": 2005, "aiko": 2006, "lena": 2007}


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in which one job after another runs: some boards of some nodes."""

    number: int
    kind: Kind
    nodes: tuple[int, ...]
    boards: tuple[int, ...]  # the same on each node

    def job(self, t: float) -> Job | None:
        """The job at `t` seconds after the start of the demo; None in the gap between two."""
        into = t + EPOCH_BEFORE_START + self.number * 137.0
        turn, since = divmod(into, self.kind.lasts)
        if since >= self.kind.lasts - GAP_SECONDS:
            return None
        return Job(40_000 + self.number * 97 + int(turn), self, t - since)


@dataclass(frozen=True, slots=True)
class Job:
    """One job; `started` in seconds after the start of the demo, mostly negative."""

    id: int
    slot: Slot
    started: float

    @property
    def kind(self) -> Kind:
        return self.slot.kind

    @property
    def user(self) -> str:
        names = list(USERS)
        return names[-1] if self.kind.name == "notebook" else names[self.id % (len(names) - 1)]

    @property
    def priority(self) -> int:
        """As its scheduler reckons it."""
        return 1000 + int(9000 * noise(self.id, 41))

    @property
    def cgroup(self) -> str:
        if not self.kind.pod:
            return f"/system.slice/slurmstepd.scope/job_{self.id}/step_0/user/task_0"
        uid = f"{self.id:08x}_7d2f_4c1a_9e0b_{self.slot.number:012x}"
        scope = f"cri-containerd-{self.id:064x}.scope"
        return f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice/{scope}"

    def pid(self, node: int, board: int) -> int:
        return 10_000 + (self.id * 89 + node * 31) % 30_000 * 10 + board

    def doing(self, t: float, node: int, board: int) -> Doing:
        """What it asks of one board now."""
        since = t - self.started
        if since < WARM_UP_SECONDS:
            return Doing(0.0, 0.04, min(1.0, 0.2 + since / WARM_UP_SECONDS), 0.0, reading=1.0)
        if self.kind.checkpoint_every and since % self.kind.checkpoint_every < CHECKPOINT_SECONDS:
            return Doing(0.03, 0.06, 1.0, 0.02, writing=1.0)
        wobble = noise(self.id, node * 16 + board, int(t)) - 0.5
        if self.kind.name == "inference":
            return self._serving(t, board, wobble)
        communicating = (t / self.kind.step_seconds + self.id * 0.37) % 1.0 > 0.78
        busy = self.kind.busy - 0.02 * abs(wobble) - (0.05 if communicating else 0.0)
        draw = self.kind.draw * (0.74 if communicating else 1.0) + 0.06 * wobble
        return Doing(max(0.0, busy), max(0.0, draw), 1.0, self.kind.fabric * (1.5 if communicating else 0.8))

    def _serving(self, t: float, board: int, wobble: float) -> Doing:
        wave = math.sin(2 * math.pi * t / self.kind.step_seconds + self.id + board)
        load = min(1.0, max(0.02, 0.55 + 0.3 * wave + 0.25 * wobble))
        return Doing(self.kind.busy * load, self.kind.draw * load, 1.0, self.kind.fabric * load)


@dataclass(frozen=True, slots=True)
class Doing:
    """Shares of 1: time busy, power range, memory, fabric speed, and of what storage gives for reading and writing."""

    busy: float
    draw: float
    memory: float
    fabric: float
    reading: float = 0.05
    writing: float = 0.02


IDLE = Doing(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def noise(*parts: int) -> float:
    """A number from 0 to 1 that looks random and is the same for the same parts, in every process."""
    mixed = 0x9E3779B9
    for part in parts:
        mixed = ((mixed ^ part) * 0x85EBCA6B) & 0xFFFFFFFF
        mixed ^= mixed >> 15
    return ((mixed * 0xC2B2AE35) & 0xFFFFFFFF) / 2**32

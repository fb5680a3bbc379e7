"""What the processes of simulated jobs were started with: variables, working directory, commit. Pure.

The boards of a job are its ranks, counted through its nodes, so that all nodes agree on them without talking.
"""

from __future__ import annotations

import hashlib

from collectors.simulator.machine import Machine
from collectors.simulator.work import Job

_TEAM = "floor"
_RANKS_OF = {"pretrain": "slurm", "finetune": "torchrun", "neuronx": "torchrun", "maxtext": "jax", "optimum": "mpi"}
_RANK_NAMES = {
    "slurm": ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS"),
    "torchrun": ("RANK", "LOCAL_RANK", "WORLD_SIZE"),
    "mpi": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_SIZE"),
    "jax": ("JAX_PROCESS_ID", "", "JAX_PROCESS_COUNT"),
}


def variables(machine: Machine, job: Job, board: int) -> dict[str, str]:
    """The environment of the process on one board, with what nobody must ever see of it."""
    found = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": f"/home/{job.user}", "USER": job.user}
    found["WANDB_API_KEY"] = _digest("key", job.id)
    if job.kind.pod:
        name = f"{job.kind.name}-{job.slot.number}-{_digest('pod', job.id)[:5]}"
        return found | {"POD_NAME": name, "POD_NAMESPACE": "serving", "NVIDIA_VISIBLE_DEVICES": str(board)}
    found |= {"SLURM_JOB_ID": str(job.id), "SLURM_JOB_NAME": job.kind.name, "SLURM_CLUSTER_NAME": _TEAM}
    launcher = _RANKS_OF.get(job.kind.name)
    if launcher is None:
        return found
    return found | {"SLURM_STEP_ID": "0"} | _ranks(machine, job, board, launcher) | _runs(job, launcher)


def directory(job: Job) -> str:
    """Where its programs work: the top of a checkout."""
    return f"/home/{job.user}/{job.kind.name}"


def commit(job: Job) -> str:
    """All jobs of a user's kind of work within an hour or two have the same."""
    return _digest(directory(job), job.id // 8)


def _ranks(machine: Machine, job: Job, board: int, launcher: str) -> dict[str, str]:
    boards, nodes = job.slot.boards, job.slot.nodes
    local = boards.index(board)
    rank = nodes.index(machine.plan.index) * len(boards) + local
    told = zip(_RANK_NAMES[launcher], (rank, local, len(boards) * len(nodes)), strict=True)
    return {name: str(number) for name, number in told if name}


def _runs(job: Job, launcher: str) -> dict[str, str]:
    run = _digest("run", job.id)
    if job.kind.name == "optimum":
        return {"MLFLOW_RUN_ID": run[:32], "MLFLOW_EXPERIMENT_NAME": f"{job.kind.name}-{job.user}"}
    elastic = {"TORCHELASTIC_RUN_ID": f"job{job.id}", "TORCHELASTIC_RESTART_COUNT": "0"}
    wandb = {"WANDB_RUN_ID": run[:8], "WANDB_PROJECT": job.kind.name, "WANDB_ENTITY": _TEAM}
    return wandb | (elastic if launcher == "torchrun" else {})


def _digest(*parts: object) -> str:
    """40 hex digits."""
    return hashlib.sha1(repr(parts).encode(), usedforsecurity=False).hexdigest()

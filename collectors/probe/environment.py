"""What a process's environment says of its work: variables of an allow-list, and ranks and runs told from them. Pure.

Nothing else of an environment is decoded, kept or told: secrets live there. It is the environment that the program was
started with; what it sets for itself later isn't seen. Anybody may write there what they like, so a value counts only
where it has the form that its variable has, and the cgroup is believed before it.
"""

import re

from .commands import redacted

LOOKED_AT = 1 << 18  # bytes: what comes later is not looked at

_NUMBER = re.compile(r"[0-9]{1,10}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_HEX = re.compile(r"[0-9a-f]{8,64}")
_DNS = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
_NAME = re.compile(r"[\w .:/@+=,#()\[\]-]{1,128}")
_PATH = re.compile(r"[\w .:/@+=,~-]{1,256}")
_DEVICE = r"(?:[0-9]{1,4}(?::[0-9]{1,3})?|(?:GPU|MIG)-(?:GPU-)?[0-9A-Fa-f/-]{4,90}|-1|all|none|void|NoDevFiles)"
_DEVICES = re.compile("(?:%s(?:,%s){0,63})?" % (_DEVICE, _DEVICE))  # none at all means something, too

_FORMS = (
    (_NUMBER, "SLURM_JOB_ID SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID SLURM_STEP_ID SLURM_PROCID SLURM_LOCALID"),
    (_NUMBER, "SLURM_NTASKS SLURM_RESTART_COUNT RANK LOCAL_RANK WORLD_SIZE GROUP_RANK TORCHELASTIC_RESTART_COUNT"),
    (_NUMBER, "OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_LOCAL_RANK OMPI_COMM_WORLD_SIZE PMI_RANK PMIX_RANK"),
    (_NUMBER, "JAX_PROCESS_ID JAX_PROCESS_COUNT"),
    (_ID, "TORCHELASTIC_RUN_ID WANDB_RUN_ID MLFLOW_EXPERIMENT_ID"),
    (_HEX, "MLFLOW_RUN_ID RAY_JOB_ID"),
    (_DNS, "POD_NAME POD_NAMESPACE HOSTNAME"),
    (_NAME, "SLURM_JOB_NAME SLURM_CLUSTER_NAME MLFLOW_EXPERIMENT_NAME WANDB_PROJECT WANDB_ENTITY"),
    (_PATH, "APPTAINER_CONTAINER SINGULARITY_CONTAINER"),
    (_DEVICES, "CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES HIP_VISIBLE_DEVICES"),
)
_ALLOWED = {name.encode(): form for form, names in _FORMS for name in names.split()}

# (rank, rank on its node, number of ranks), in the order in which they are believed: what starts the workers themselves
# before what started the job. Slurm's come last: below a launcher, they are those of the launcher.
_RANKS = (
    ("RANK", "LOCAL_RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("JAX_PROCESS_ID", "", "JAX_PROCESS_COUNT"),
    ("PMIX_RANK", "", ""),
    ("PMI_RANK", "", ""),
    ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS"),
)
_KEYS = ("rank", "local_rank", "world_size")
_LONGEST_TEXT = 1024  # characters of a cell
_NO_RUN = "none"  # torchrun's name for a run that was given none


def allowed(environ: bytes) -> "dict[str, str]":
    """The variables of the allow-list in /proc/PID/environ; of a name that is there twice the first, as getenv does."""
    found = {}
    for variable in environ[:LOOKED_AT].split(b"\0"):
        name = variable[: variable.find(b"=")]
        form = _ALLOWED.get(name)
        if form is None or name.decode() in found:
            continue
        text = variable[len(name) + 1 :].decode("utf-8", "replace")
        if form.fullmatch(text):
            found[name.decode()] = redacted(text)
    return found


def of_job(environment: "dict[str, str]", job: str) -> "dict[str, str]":
    """Those that say something of a job ("pod:<uid>"): a host's name is a pod's, and elsewhere only the node's."""
    in_pod = job.startswith("pod:")
    return {name: text for name, text in environment.items() if in_pod or name != "HOSTNAME"}


def told(environment: "dict[str, str]") -> dict:
    """What follows from it (watchfloor.report.Workload): rank, local_rank, world_size, restart, requeue, run_ids."""
    found = _ranks(environment)
    for name, variable in (("restart", "TORCHELASTIC_RESTART_COUNT"), ("requeue", "SLURM_RESTART_COUNT")):
        if variable in environment:
            found[name] = int(environment[variable])
    runs = _run_ids(environment)
    if runs:
        found["run_ids"] = runs
    return found


def job(environment: "dict[str, str]") -> str:
    """ "slurm:4242", or "": for processes whose cgroup names no job."""
    number = environment.get("SLURM_JOB_ID", "")
    return "slurm:" + number if number else ""


def image(environment: "dict[str, str]") -> str:
    """The image that Apptainer runs, "" where it runs none."""
    return environment.get("APPTAINER_CONTAINER") or environment.get("SINGULARITY_CONTAINER") or ""


def _ranks(environment: "dict[str, str]") -> dict:
    found = {}  # type: dict
    for names in _RANKS:
        values = {key: int(environment[name]) for key, name in zip(_KEYS, names) if name in environment}
        if "rank" not in values or not _counts(names[0], values, environment):
            continue
        if found.setdefault("rank", values["rank"]) == values["rank"]:
            found.update((key, value) for key, value in values.items() if key not in found)
    if "local_rank" not in found and "LOCAL_RANK" in environment:
        found["local_rank"] = int(environment["LOCAL_RANK"])
    return found


def _counts(source: str, values: "dict[str, int]", environment: "dict[str, str]") -> bool:
    """Whether these are the process's own, and not those of the launcher that it descends from.

    A batch script is rank 0 of itself, and has no step; a launcher may give LOCAL_RANK alone.
    """
    if source == "SLURM_PROCID" and "SLURM_STEP_ID" not in environment:
        return False
    local = values.get("local_rank")
    if local is not None and "LOCAL_RANK" in environment and int(environment["LOCAL_RANK"]) != local:
        return False
    return values["rank"] < values.get("world_size", values["rank"] + 1)


def _run_ids(environment: "dict[str, str]") -> "dict[str, str]":
    """By tracker; of W&B as in its addresses: entity/project/run, as far as they are told."""
    wandb = environment.get("WANDB_RUN_ID", "")
    if wandb and "WANDB_PROJECT" in environment:
        parts = (environment.get("WANDB_ENTITY", ""), environment["WANDB_PROJECT"], wandb)
        wandb = "/".join(part for part in parts if part)
    elastic = environment.get("TORCHELASTIC_RUN_ID", "")
    runs = {
        "wandb": wandb,
        "mlflow": environment.get("MLFLOW_RUN_ID", ""),
        "torchelastic": "" if elastic == _NO_RUN else elastic,
        "ray": environment.get("RAY_JOB_ID", ""),
    }
    return {tracker: run for tracker, run in runs.items() if run}


def rank_text(ranks) -> str:
    """ "3", "0-3", "0-3,8" of any numbers."""
    spans = []
    for rank in sorted(set(ranks)):
        if spans and spans[-1][1] == rank - 1:
            spans[-1][1] = rank
        else:
            spans.append([rank, rank])
    return joined(str(first) if first == last else "%d-%d" % (first, last) for first, last in spans)


def joined(words) -> str:
    """Each once, with commas, as many as there is room for: none is cut into another one."""
    told, room = [], _LONGEST_TEXT
    for word in dict.fromkeys(word for word in words if word):
        room -= len(word) + 1
        if room < 0:
            return ",".join([*told, "…"])
        told.append(word)
    return ",".join(told)

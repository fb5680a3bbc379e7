"""Which scheduler's job a process belongs to, told from its cgroup. Pure."""

import re

_SLURM = re.compile(r"(?:^|/)job_(\d+)(?:/|$)")
# kubepods-burstable-pod0c1f2e3d_….slice (systemd driver), /kubepods/burstable/pod0c1f2e3d-…/ (cgroupfs driver)
_POD = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})")
_LONGEST = 256


def cgroup_of(text: str) -> str:
    """The path that tells most of /proc/PID/cgroup: one that names a job, else that of version 2, else the longest."""
    paths = [line.split(":", 2)[2] for line in text.splitlines() if line.count(":") >= 2]
    telling = [path for path in paths if job_of(path)]
    unified = [line[3:] for line in text.splitlines() if line.startswith("0::")]
    chosen = telling or [path for path in unified if path != "/"] or sorted(paths, key=len, reverse=True) or [""]
    return chosen[0][:_LONGEST] if chosen[0] != "/" else ""


def job_of(cgroup: str) -> str:
    """ "slurm:4242", "pod:<uid>", or "" where the cgroup names no job."""
    slurm = _SLURM.search(cgroup) if "slurm" in cgroup else None
    if slurm:
        return "slurm:" + slurm.group(1)
    pod = _POD.search(cgroup)
    return "pod:" + pod.group(1).replace("_", "-") if pod else ""

"""Outputs of schedulers and container managers: known for what they are, and refused: jobs aren't read from files."""

from __future__ import annotations

import re
from pathlib import PurePath

from collectors.captures import Capture, Refused

MATCHES = "outputs of Slurm, Kubernetes and Ray, and cgroup files: recognised, and refused with what they are"

# what is found in no other tool's output
_TELLING = {
    "an output of Slurm": (
        r"\b(JobId=|JobID\||JobIDRaw\||NodeName=|PARTITION\b|JOBID\b|NODELIST\b|AccountingStorage|TRES\b|SLURM_)",
        r"\b(slurmctld|slurmrestd|slurmdbd)\b",
        r"\"(job_state|slurm|tres|array_job_id|data_parser)\"",
        r"^(NodeName=\S+ )?Name=gpu\b",
        r"^sdiag output at",
    ),
    "an output of Kubernetes": (
        r"\"?apiVersion\"?:",
        r"^kubelet_|\bkubelet\b",
        r"^Conditions:|^NAME\s+(READY|STATUS|TYPE)",
        r"\"pod_resources\"|pod-resources",
    ),
    "an output of Ray": (
        r"^ray_|^# \w+ ray_|\bRay runtime\b|\bJobDetails\(|^Node status$",
        r"\"(submission_id|task_id|is_head_node|ray_version)\"",
    ),
}
_CONTENT = {what: re.compile("|".join(patterns), re.MULTILINE) for what, patterns in _TELLING.items()}
_CGROUP = re.compile(r"(cpu|cpuset|memory|io|pids|hugetlb\.\w+|rdma|misc|cgroup)\.[a-z_.]+")


def matches(name: str, head: str) -> bool:
    return bool(_what(name, head))


def read(name: str, text: str) -> Capture:
    raise Refused(f"{_what(name, text)}: jobs and their accounting aren't read from files")


def _what(name: str, text: str) -> str:
    if _CGROUP.fullmatch(PurePath(name).name):
        return "a file of a cgroup"
    return next((what for what, content in _CONTENT.items() if content.search(text)), "")

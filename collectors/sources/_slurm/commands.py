"""The command lines with which Slurm is asked: constant but for options and job ids, which are checked and quoted.

Times come as seconds since the epoch (SLURM_TIME_FORMAT); where an old client ignores that, they come as UTC. A
command ends by itself when its time is over (`timeout`), so that none piles up behind a dead controller. Pure.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from watchfloor.errors import ConfigError

MOST_IDS = 200  # in one question to the accounting

_OPTIONS = {"bin": r"/[\w./+-]*", "conf": r"/[\w./+-]*", "cluster": r"[A-Za-z0-9][\w.-]*"}
# where packages of vendors put the commands, which the shell of a command over SSH often doesn't know
FOLDERS = "/opt/slurm/bin:/usr/local/slurm/bin:/cm/shared/apps/slurm/current/bin"
_ACCOUNT_FIELDS = "JobIDRaw,State,ExitCode,Start,End,NodeList,Reason,NTasks,AllocTRES"

VERSION = "squeue --version"
PING = "scontrol ping"
JOBS_JSON = "squeue --all --states=all --json"
JOBS_TEXT = "scontrol --all --details --oneliner show job"
# no JSON: squeue's has the jobs in their place, and scontrol's comes with 23.02
STEPS = "squeue --all --steps --noheader '--format=%i|%A|%S|%N|%j'"
NODES_JSON = "scontrol --all --json show node"
NODES_JSON_OLD = "sinfo --all --json"  # before 23.02 scontrol speaks no JSON, and sinfo's has the nodes
NODES_TEXT = "scontrol --all --details --oneliner show node"
QUEUES = "scontrol --all --oneliner show partition"
RESERVATIONS = "scontrol --all --oneliner show reservation"


def checked(options: Mapping[str, str], source: str) -> dict[str, str]:
    """The options of a source of this kind. Raises ConfigError, which names what is wrong and what is known."""
    for name, value in options.items():
        if name not in _OPTIONS:
            raise ConfigError(f"jobs source {source}: no option {name!r}", f"known are {', '.join(sorted(_OPTIONS))}")
        if not re.fullmatch(_OPTIONS[name], value):
            expected = "the name of a cluster" if name == "cluster" else "a path that begins with /"
            raise ConfigError(f"jobs source {source}: {name} {value!r} is not {expected}")
    return dict(options)


def accounts(job_ids: Sequence[int], json: bool = False) -> str:
    """Every attempt of these jobs, with their steps. No user's text is asked for, so that no cell holds a newline."""
    ids = ",".join(str(int(number)) for number in job_ids[:MOST_IDS])
    form = "--json" if json else f"--parsable2 --format={_ACCOUNT_FIELDS}"
    return f"sacct --allusers --duplicates {form} --jobs={ids}"


def command_line(question: str, options: Mapping[str, str], timeout_seconds: float) -> str:
    """`question` as it is started on the node. `options` as `checked` gave them."""
    folders = f"{options['bin']}:$PATH" if "bin" in options else "$PATH"
    settings = [f'PATH="{folders}:{FOLDERS}"', "LC_ALL=C", "TZ=UTC0", "SLURM_TIME_FORMAT=%s", "SLURM_BITSTR_LEN=0"]
    settings += [f"SLURM_CONF={shlex.quote(options['conf'])}"] if "conf" in options else []
    settings += [f"SLURM_CLUSTERS={shlex.quote(options['cluster'])}"] if "cluster" in options else []
    return f"env {' '.join(settings)} timeout -k 5 {timeout_seconds:.0f} {question}"

"""Command lines without secrets, and jobs told from cgroups."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.probe.cells import LONGEST_WORDS, Missing
from collectors.probe.commands import LONGEST, command_text
from collectors.probe.containers import container_of
from collectors.probe.jobs import cgroup_of, job_of


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("python train.py --hf-token abc --epochs 3", "python train.py --hf-token *** --epochs 3"),
        ("serve --api_key=xyz --port 80", "serve --api_key=*** --port 80"),
        ("PASSWORD=x run --password y", "PASSWORD=*** run --password ***"),
        ("train --tokenizer llama --max-tokens 100", "train --tokenizer llama --max-tokens 100"),
        ("run --token --next", "run --token --next"),
        ("curl https://user:pw@host/x?token=abc&page=1", "curl https://user:***@host/x?token=***&page=1"),
        ("login hf_abcdefghijklmnopqrst", "login hf_***"),
        ("env PGPASSWORD=x MYSQL_PWD=y psql", "env PGPASSWORD=*** MYSQL_PWD=*** psql"),
        ("run --apikey abc --accessToken def --authtoken=ghi", "run --apikey *** --accessToken *** --authtoken=***"),
        ("run --hotkey ctrl-c --monkey 3 --bypass 1", "run --hotkey ctrl-c --monkey 3 --bypass 1"),
        ("sh -c cd\u00a0/x;\u00a0'HF_TOKEN=abc'\u00a0run", "sh -c cd /x; 'HF_TOKEN=*** run"),
        ("sh -c python\u00a0t.py\u00a0--password\u00a0abc\u00a0-n\u00a03", "sh -c python t.py --password *** -n 3"),
        ('serve --config {"api_key":\u00a0"abc"}', 'serve --config {"api_key": "***"}'),
        ("curl -H Authorization:\u00a0Bearer\u00a0abcdefghijkl", "curl -H Authorization: Bearer ***"),
    ],
)
def test_secrets_are_hidden(line: str, shown: str) -> None:
    words = [word.replace("\u00a0", " ") for word in line.split(" ")]
    assert command_text("\0".join(words) + "\0", "name") == shown.replace("\u00a0", " ")


@pytest.mark.parametrize("part", ["a_", "a.b_", "--a-", "x:", "a=", "'a'", "://a:", "-- "])
def test_no_command_line_takes_long_to_look_at(part: str) -> None:
    began = time.process_time()
    command_text("sh\0-c\0;" + part * 50_000, "name")
    assert time.process_time() - began < 0.5


def test_a_kernel_thread_goes_by_its_name() -> None:
    assert command_text("", "kworker/0:1") == "[kworker/0:1]"


@given(st.text(max_size=600))
def test_a_command_is_one_short_printable_line(cmdline: str) -> None:
    shown = command_text(cmdline, "name")
    assert len(shown) <= LONGEST and shown.isprintable()


POD = "0c1f2e3d-aaaa-bbbb-cccc-0123456789ab"


@pytest.mark.parametrize(
    ("text", "job"),
    [
        ("0::/system.slice/slurmstepd.scope/job_4242/step_0/user/task_0\n", "slurm:4242"),
        ("9:memory:/slurm/uid_1000/job_17/step_batch\n3:cpu:/\n", "slurm:17"),
        (
            f"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD.replace('-', '_')}.slice/x\n",
            f"pod:{POD}",
        ),
        (f"5:devices:/kubepods/besteffort/pod{POD}/0123\n", f"pod:{POD}"),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", ""),
        ("0::/batch/job_5\n", ""),  # somebody's own folder: no scheduler says so
        ("0::/\n", ""),
        ("", ""),
    ],
)
def test_jobs_are_told_from_cgroups(text: str, job: str) -> None:
    assert job_of(cgroup_of(text)) == job


@pytest.mark.parametrize(
    "text",
    [
        "0::/system.slice/docker-{}.scope\n",
        "12:devices:/docker/{}\n1:name=systemd:/docker/{}\n0::/\n",  # hybrid: the line that names it is not the last
        "9:devices:/kubepods/burstable/pod0c1f2e3d-1111-2222-3333-444455556666/{}\n0::/\n",
        "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0c1f2e3d_1111.slice/crio-{}.scope\n",
        "0::/../../kubepods-pod0c1f2e3d_1111.slice/cri-containerd-{}.scope\n",
        "0::/system.slice/containerd.service/kubepods-pod0c1f2e3d_1111.slice:cri-containerd:{}\n",
        "0::/machine.slice/libpod-{}.scope/container\n",
    ],
)
def test_a_cgroup_names_its_container(text: str) -> None:
    container = "ab12" * 16
    assert container_of(text.replace("{}", container)) == container
    assert container_of(text.replace("{}", "ab12")) == ""


def test_the_words_of_an_error_fit_into_the_protocol() -> None:
    assert len(Missing(5, "x" * 100_000).note) == LONGEST_WORDS

"""Software by layer: majority and others per group, drift of nodes and of jobs, versions that don't go together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.support.frames import settled
from tests.support.golden import same_as_golden
from watchfloor.checks import drift
from watchfloor.compatibility import Clash, Range, clashes, rules
from watchfloor.config import parse
from watchfloor.errors import ConfigError
from watchfloor.frame import Frame
from watchfloor.model import Finding, Missing, State
from watchfloor.report import Software
from watchfloor.snapshot.software import FORMAT, SoftwareReport
from watchfloor.stack import LAYERS, Grouping, Stacks, Thing, groups, may_wait, numbers, things, untold

GOLDEN = Path(__file__).parent / "golden"


def stacks_of(frame: Frame) -> Stacks:
    stacks = Stacks()
    stacks.update(frame)
    return stacks


def told(frame: Frame, rows: Mapping[int, Sequence[Software]]) -> Frame:
    """The frame with other software on some nodes."""
    details = [
        replace(detail, details={**detail.details, "stack": msgspec.json.encode(sorted(rows[node]))})
        if node in rows
        else detail
        for node, detail in enumerate(frame.detail)
    ]
    return replace(frame, detail=details)


def named(found: Sequence[Thing], name: str) -> list[Thing]:
    return [thing for thing in found if thing.name == name]


def test_things_stand_in_the_order_of_their_layers() -> None:
    found = things(settled(), stacks_of(settled()), Grouping.FLEET)
    ranks = [LAYERS.index(thing.layer) for thing in found]
    assert ranks == sorted(ranks)


def test_majority_and_others_of_a_group() -> None:
    frame = settled()
    (nvidia,) = named(things(frame, stacks_of(frame), Grouping.GROUP), "nvidia-fabricmanager")
    assert (nvidia.group, nvidia.drift, len(nvidia.versions)) == ("train", False, 1)
    train = next(thing for thing in named(things(frame, stacks_of(frame), Grouping.GROUP), "nvidia") if thing.drift)
    assert train.group == "train"
    assert [(version.version, len(version.nodes)) for version in train.versions] == [
        ("570.124.06", 7),
        ("570.86.15", 1),
    ]
    assert frame.specs[train.versions[1].nodes[0]].name == "dgx-06"


def test_what_users_run_may_differ_between_nodes_and_not_within_a_job() -> None:
    frame = settled()
    by_group = named(things(frame, stacks_of(frame), Grouping.GROUP), "nccl")
    assert [(thing.running, thing.drift, len(thing.versions)) for thing in by_group] == [(True, False, 2)]
    by_job = [thing for thing in named(things(frame, stacks_of(frame), Grouping.JOB), "nccl") if thing.drift]
    assert [len(thing.versions) for thing in by_job] == [2]
    assert by_job[0].group.startswith("slurm:")


def test_of_a_job_only_the_software_of_its_user_counts() -> None:
    frame = settled()
    (node,) = (index for index, spec in enumerate(frame.specs) if spec.name == "dgx-05")
    rows = [Software("collective", "nccl", "2.20.5", user="somebody else")]
    by_job = things(told(frame, {node: rows}), stacks_of(told(frame, {node: rows})), Grouping.JOB)
    assert not any(thing.drift for thing in by_job)


def test_a_node_that_mixes_versions_counts_for_each() -> None:
    frame = settled()
    (adapters,) = (
        thing for thing in named(things(frame, stacks_of(frame), Grouping.GROUP), "nic MT_0000000838") if thing.drift
    )
    assert [len(version.nodes) for version in adapters.versions] == [8, 1]
    assert adapters.nodes == 8


def test_a_reason_is_no_version() -> None:
    found = things(settled(), stacks_of(settled()), Grouping.FLEET)
    (processes,) = named(found, "processes")
    assert (processes.majority.missing, processes.majority.version) == (Missing.NOT_PERMITTED, "")
    assert not processes.drift


def test_accelerators_add_what_the_probe_does_not_tell() -> None:
    frame = settled()
    without = told(frame, {node: [] for node in range(len(frame.specs))})
    (nvidia,) = named(things(without, stacks_of(without), Grouping.FLEET), "nvidia")
    assert nvidia.majority.where == ("accelerators: driver",)
    assert nvidia.majority.version == "570.124.06"
    assert [frame.specs[node].name for node in untold(stacks_of(without))] == ["l40-03", "login-01"]


@pytest.mark.parametrize(
    ("grouping", "labels"),
    [
        (Grouping.FLEET, ["fleet"]),
        (Grouping.GROUP, ["train", "serve", "login"]),
        (Grouping.MODEL, ["NVIDIA H100 80GB HBM3", "NVIDIA L40S", "no accelerators"]),
        (Grouping.RACK, ["r1", "r2", "r3", "r4"]),
        (Grouping.SITE, ["lab"]),
    ],
)
def test_groups(grouping: Grouping, labels: list[str]) -> None:
    assert list(groups(settled(), grouping)) == labels


def test_a_filter_leaves_nodes_out() -> None:
    frame = settled()
    passed = np.array([spec.group == "serve" for spec in frame.specs])
    assert {thing.group for thing in things(frame, stacks_of(frame), Grouping.GROUP, passed)} == {"serve"}


def test_nothing_is_worked_out_again_for_equal_bytes() -> None:
    stacks = stacks_of(settled())
    again = [
        replace(detail, details={name: bytes(bytearray(raw)) for name, raw in detail.details.items()})
        for detail in settled().detail
    ]
    assert not stacks.update(replace(settled(), detail=again))
    assert stacks.update(told(settled(), {0: []}))
    assert stacks.changed == 2


def test_what_is_not_the_protocol_is_nothing() -> None:
    broken = [replace(detail, details={"stack": b"[{]"}) for detail in settled().detail]
    assert not named(things(settled(), stacks_of(replace(settled(), detail=broken)), Grouping.FLEET), "kernel")


# -- findings


def found(frame: Frame) -> list[Finding]:
    return list(drift.check(frame))


def test_a_node_that_missed_an_upgrade_is_told_once() -> None:
    told_of = {(finding.code, finding.subject.node): finding for finding in found(settled())}
    assert set(told_of) == {
        ("version-drift", "dgx-02"),
        ("version-drift", "dgx-06"),
        ("job-version-drift", "dgx-05"),
        ("incompatible-versions", "dgx-06"),
    }
    behind = told_of["version-drift", "dgx-06"]
    assert behind.text == ("dgx-06 differs from its group (train): nvidia 570.86.15, where 7 of 8 have 570.124.06")
    assert told_of["incompatible-versions", "dgx-06"].state is State.CRITICAL
    assert "nccl 2.20.5" in told_of["job-version-drift", "dgx-05"].text


def test_a_node_that_has_the_usual_version_besides_is_not_counted_against_itself() -> None:
    frame = settled()
    usual, old = Software("network", "nic", "28.43"), Software("network", "nic", "28.36")
    rows = {node: [usual, old] if spec.name == "dgx-03" else [usual] for node, spec in enumerate(frame.specs)}
    (finding,) = [one for one in found(told(frame, rows)) if one.code == "version-drift"]
    assert finding.subject.node == "dgx-03"
    assert finding.text == "dgx-03 differs from its group (train): nic 28.36 beside 28.43, which 8 of 8 have"


def test_a_node_with_another_version_than_the_fleet_file_says_is_told_of_with_or_without_a_majority() -> None:
    frame = settled()
    said = {"nvidia": ("580.82.07",), "kernel": ("6.8.0-44-generic", "6.8.0-45-generic"), "nccl": ("9.9",)}
    specs = [replace(spec, versions=said if spec.name in ("dgx-01", "login-01") else {}) for spec in frame.specs]
    (finding,) = [one for one in found(replace(frame, specs=specs)) if one.code == "version-other-than-said"]
    assert finding.subject.node == "dgx-01", "what isn't there is no other version"
    assert finding.text == "dgx-01 has nvidia 570.124.06, the fleet file says 580.82.07"
    assert finding.evidence == (("nvidia", "570.124.06; it ought to be 580.82.07"),), "nccl is what a user brings along"


def test_without_a_majority_nobody_is_the_odd_one_out() -> None:
    frame = settled()
    half = {node: [Software("driver", "nvidia", "1" if node % 2 else "2")] for node in range(len(frame.specs))}
    assert not [finding for finding in found(told(frame, half)) if finding.code == "version-drift"]


def test_a_node_that_is_not_heard_is_not_told_of() -> None:
    frame = settled()
    live = frame.live.copy()
    live[frame.node_index["dgx-06"]] = False
    assert "dgx-06" not in {finding.subject.node for finding in found(replace(frame, live=live))}


# -- versions that don't go together


@pytest.mark.parametrize(
    ("version", "parts"), [("2.6.0+cu124", (2, 6, 0)), ("0.6.0.dev2025", (0, 6, 0)), ("24.10-0.7", (24, 10)), ("x", ())]
)
def test_numbers_of_a_version(version: str, parts: tuple[int, ...]) -> None:
    assert numbers(version) == parts


def row(name: str, version: str, user: str = "") -> Software:
    return Software("driver", name, version, user=user)


def clashing(*rows: Software, models: Sequence[str] = (), machine: str = "") -> list[str]:
    return [clash.rule.name for clash in clashes(rows, models, machine)]


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([row("cuda", "13.0.88", "a"), row("nvidia", "570.124.06")], "cuda-13-driver"),
        ([row("cuda", "12.4.127", "a"), row("nvidia", "515.65.01")], "cuda-12-driver"),
        ([row("cuda", "11.8.89", "a"), row("nvidia", "440.33.01")], "cuda-11-driver"),
        ([row("nvidia-fabricmanager", "570.86.15"), row("nvidia", "570.124.06")], "fabricmanager-driver"),
        ([row("libcuda", "570.86.15", "a"), row("nvidia", "570.124.06")], "libcuda-driver"),
        ([row("nccl", "2.29.2", "a")], "nccl-2.29.2-hang"),
        ([row("jaxlib", "0.6.2", "a"), row("jax", "0.4.31", "a")], "jaxlib-newer-than-jax"),
        ([row("rocm", "6.3.1", "a"), row("amdgpu-release", "6.0.2")], "rocm-6.3-driver"),
        ([row("rocm", "6.2.0"), row("amdgpu-release", "5.7.1")], "rocm-6.2-driver"),
        ([row("rocm", "6.1.0"), row("amdgpu-release", "5.6.0")], "rocm-6.1-driver"),
        ([row("rocm", "6.0.0"), row("amdgpu-release", "6.3.0")], "rocm-6.0-driver"),
    ],
)
def test_pairs_that_do_not_go_together(rows: list[Software], rule: str) -> None:
    assert clashing(*rows) == [rule]


def test_pairs_that_depend_on_the_hardware() -> None:
    old = row("nccl", "2.21.5", "a")
    assert clashing(old, machine="aarch64") == ["nccl-hang-on-arm"]
    assert clashing(old, models=["NVIDIA B200"]) == ["nccl-blackwell"]
    assert clashing(old, models=["NVIDIA H100 80GB HBM3"], machine="x86_64") == []


@pytest.mark.parametrize(
    "rows",
    [
        [row("cuda", "13.0.88", "a"), row("nvidia", "580.82.07")],
        [row("cuda", "13.0.88", "a"), row("nvidia", "570.124.06"), row("cuda-compat", "580.65.06", "a")],
        [row("cuda", "13.0.88", "a")],  # of the driver nothing is known
        [row("jaxlib", "0.6.2", "a"), row("jax", "0.4.31", "b")],  # of two users
        [row("jaxlib", "0.4.30", "a"), row("jaxlib", "0.6.2", "a"), row("jax", "0.6.2", "a")],  # two environments
        [row("nvidia-fabricmanager", "570.124.06"), row("nvidia", "570.124.06")],
    ],
)
def test_pairs_that_do(rows: list[Software]) -> None:
    assert clashing(*rows) == []


def test_each_rule_has_words_and_a_source() -> None:
    assert all(rule.why and rule.advice and rule.source.startswith("https://") for rule in rules())
    assert all(rule.when or rule.same or rule.ordered for rule in rules())


def test_a_clash_says_what_is_there_and_what_is_needed() -> None:
    (clash,) = clashes([row("cuda", "13.0.88", "a"), row("nvidia", "570.124.06")])
    assert isinstance(clash, Clash)
    assert clash.text.startswith("cuda 13.0.88 beside nvidia 570.124.06, where >=580 is needed: CUDA 13")


def test_a_range_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="no range of versions"):
        Range.parse(parse("a: about 12", "rules.yaml").entries()["a"])


# -- what commands print


def test_the_stack_as_text() -> None:
    same_as_golden(GOLDEN / "stack.txt", SoftwareReport(settled(), Grouping.GROUP).text() + "\n")


def test_what_is_installed_and_what_is_in_use_under_one_name_are_told_apart() -> None:
    both, alone = (row("rocm", "6.4.1"), row("rocm", "6.4.1", user="ann")), row("cudnn", "9.1")
    frame = told(settled(), {0: (*both, alone)})
    words = SoftwareReport(frame, Grouping.GROUP).text()
    assert "rocm (installed)" in words and "rocm (in use)" in words
    assert "cudnn (" not in words


def test_the_stack_as_json() -> None:
    document = json.loads(json.dumps(SoftwareReport(settled(), Grouping.GROUP).document(), allow_nan=False))
    assert document["format"] == FORMAT
    assert document["unknown"] == ["l40-03"]
    (clash,) = document["incompatible"]
    assert (clash["node"], clash["rule"], clash["state"]) == ("dgx-06", "fabricmanager-driver", "critical")
    versions = [version for thing in document["things"] for version in thing["versions"]]
    assert all(bool(version["version"]) != bool(version["missing"]) for version in versions)


def test_only_what_differs_is_printed() -> None:
    document = SoftwareReport(settled(), Grouping.GROUP, only_different=True).document()
    found = {thing["name"] for thing in json.loads(json.dumps(document))["things"]}
    assert found == {"nic MT_0000000838", "nvidia", "nvidia-fabricmanager"}


def test_a_large_fleet_is_not_worked_out_with_every_frame() -> None:
    few, many = settled(), replace(settled(), specs=[settled().specs[0]] * 1000)
    assert not may_wait(few, few.at - 1)
    assert may_wait(many, many.at - 1)
    assert not may_wait(many, many.at - 6)
    assert not may_wait(many, many.at + 60)  # a recording that goes back

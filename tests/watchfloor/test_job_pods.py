"""Pods that no source tells of: what their processes were given as names is what they are called."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from tests.support.frames import Machine, SyntheticFleet
from tui.present.choice import Sort
from tui.present.jobs import JobTable, job_columns
from watchfloor.frame import Frame
from watchfloor.jobs.pods import PodName, PodNames
from watchfloor.jobs.roll import Roll
from watchfloor.report import Process, Workload

UID = "0c1f2e3d-1111-2222-3333-444455556666"
GIVEN = {"POD_NAME": "llama-serve-0-5d3f1", "POD_NAMESPACE": "serving"}


class Pods(SyntheticFleet):
    """Each of its first node's accelerators is a pod's."""

    def _board(self, machine: Machine, node: int, gpu: int) -> dict[str, object]:  # type: ignore[override]
        return {**super()._board(machine, node, gpu), "job": f"pod:{UID}" if node == 0 else ""}


def telling(frame: Frame, environment: dict[str, str], job: str = f"pod:{UID}", pod: str = "") -> Frame:
    """The first node's process, and another pid that has no pod and the same words. `pod`: by the kubelet's word."""
    processes = [Process(10, "root", "vllm", job=job), Process(11, "root", "vi")]
    told = {"processes": processes, "workloads": [Workload(pid, 77, environment, pod=pod) for pid in (10, 11)]}
    raw = {name: msgspec.json.encode(rows) for name, rows in told.items()}
    detail = replace(frame.detail[0], details={**frame.detail[0].details, **raw})
    return replace(frame, detail=(detail, *frame.detail[1:]))


def standing() -> Frame:
    fleet = Pods(faults=False)
    fleet.step(2)
    return fleet.fleet.frame()


def test_a_pod_goes_by_the_name_that_its_processes_were_given() -> None:
    frame = telling(standing(), GIVEN)
    jobs = Roll().frame(frame)
    job = jobs.rows[jobs.index[f"pod:{UID}"]]
    assert (job.number, job.name, job.account) == ("serving/llama-serve-0-5d3f1", "llama-serve-0-5d3f1", "serving")
    assert job.id == f"pod:{UID}"


def test_without_a_namespace_the_name_alone_and_without_a_name_the_uid() -> None:
    jobs = Roll().frame(telling(standing(), {"POD_NAME": "llama-serve-0"}))
    assert jobs.rows[jobs.index[f"pod:{UID}"]].number == "llama-serve-0"
    unnamed = Roll().frame(telling(standing(), {"POD_NAMESPACE": "serving"}))
    assert unnamed.rows[unnamed.index[f"pod:{UID}"]].number == UID


def test_the_host_name_of_a_pod_is_its_name_unless_it_is_that_of_its_node() -> None:
    frame = standing()
    given = telling(frame, {"HOSTNAME": "llama-serve-0", "POD_NAMESPACE": "serving"})
    assert PodNames().on(given, 0) == {f"pod:{UID}": PodName("llama-serve-0", "serving")}
    assert PodNames().on(telling(frame, {**GIVEN, "HOSTNAME": "x"}), 0)[f"pod:{UID}"].name == GIVEN["POD_NAME"]
    shared = telling(frame, {"HOSTNAME": frame.nodes.text(0, "hostname") or frame.specs[0].name})
    assert PodNames().on(shared, 0) == {}


def test_the_kubelets_word_comes_before_what_a_process_was_given() -> None:
    given = telling(standing(), GIVEN, pod="training/moe-0")
    assert PodNames().on(given, 0) == {f"pod:{UID}": PodName("moe-0", "training")}
    assert PodNames().on(telling(standing(), {}, pod="training/moe-0"), 0)[f"pod:{UID}"].number == "training/moe-0"


def test_what_is_no_pods_process_names_none_and_what_is_garbage_nothing() -> None:
    frame = standing()
    assert PodNames().on(telling(frame, GIVEN), 0) == {f"pod:{UID}": PodName("llama-serve-0-5d3f1", "serving")}
    assert PodNames().on(telling(frame, GIVEN, job="slurm:7"), 0) == {}
    detail = replace(frame.detail[0], details={"workloads": b'{"no": "rows"}'})
    assert PodNames().on(replace(frame, detail=(detail, *frame.detail[1:])), 0) == {}


def test_another_pod_on_the_node_is_another_name() -> None:
    names, frame = PodNames(), standing()
    names.on(telling(frame, GIVEN), 0)
    found = names.on(telling(frame, {"POD_NAME": "other"}), 0)
    assert found[f"pod:{UID}"].name == "other"


def test_beside_a_pods_uid_its_name_stays_and_the_uid_is_shortened_in_the_middle() -> None:
    bare = standing()
    frame = replace(bare, jobs=Roll().frame(bare))
    columns = job_columns(frame.jobs.view, 119)
    names = [column.name for column in columns]
    table = JobTable(frame, columns, Sort("name", False))
    place = next(at for at in range(table.count) if table.identity(at).key == f"pod:{UID}")  # type: ignore[attr-defined]
    shown = table.cells(place)[names.index("name")][0]
    assert "title" in names and len(shown) <= columns[names.index("name")].width
    assert shown == "0c1f2e3…556666"
    alone = {column.name: column.width for column in job_columns(frame.jobs.view, 80)}
    assert "title" not in alone and alone["name"] == 16, "without a name beside it, the id has more room"

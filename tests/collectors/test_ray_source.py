"""Ray as a source of jobs: what its dashboard answers, who holds accelerators where, and how it can fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from collectors.sources import _ray_jobs, _ray_objects
from collectors.sources.ray import Source
from tests.support.answers import WallClock, is_ok, running
from tests.support.loopback import QuietHandler, keeping
from tests.support.parts import samples
from watchfloor.jobs.model import Allocation, JobSourceSpec, JobState, SourceState

HEAD, WORKER = "c0dd33cc", "aa11bb22"
JOBS = [
    {"type": "SUBMISSION", "job_id": "02000000", "submission_id": "train-1", "status": "RUNNING",
     "driver_info": {"id": "02000000", "node_ip_address": "192.0.2.2", "pid": "12962"}, "driver_node_id": HEAD,
     "entrypoint": "HF_TOKEN=hunter2 python train.py --api-key hunter2", "message": "Job is currently running.",
     "start_time": 1795371883510, "end_time": None, "metadata": {"job_name": "llama", "user": "alice"}},
    {"type": "SUBMISSION", "job_id": None, "submission_id": "eval-2", "driver_info": None, "status": "FAILED",
     "entrypoint": "python bad.py", "start_time": 1795371886039, "end_time": 1795371888028, "metadata": {},
     "message": "Job entrypoint command failed with exit code 1, last available logs (truncated to 20,000 chars):\n"
                "Running entrypoint\nboom: CUDA error: an illegal memory access was encountered\n",
     "driver_node_id": HEAD, "driver_exit_code": 1},
    {"type": "SUBMISSION", "job_id": None, "submission_id": "later-3", "status": "PENDING", "entrypoint": "python x.py",
     "message": "Job has not started yet.", "start_time": 1795371890000, "metadata": None},
    {"type": "DRIVER", "job_id": "01000000", "submission_id": None, "status": "SUCCEEDED", "entrypoint": "",
     "driver_info": {"id": "01000000", "node_ip_address": "192.0.2.2", "pid": "1"}, "start_time": 0, "end_time": 1},
]  # fmt: skip
NODES = [
    {"node_id": HEAD, "node_ip": "192.0.2.2", "node_name": "192.0.2.2", "state": "ALIVE",
     "resources_total": {"CPU": 4.0, "GPU": 2.0, "memory": "15.903 GiB"}},
    {"node_id": WORKER, "node_ip": "192.0.2.3", "node_name": "192.0.2.3", "state": "DEAD",
     "state_message": "Unexpected termination: health check failed", "resources_total": {"GPU": 8.0}},
]  # fmt: skip
ACTORS = [
    {"actor_id": "a1", "state": "ALIVE", "job_id": "02000000", "node_id": HEAD, "pid": 13078,
     "required_resources": {"GPU": 0.5, "CPU": 1.0}},
    {"actor_id": "a2", "state": "DEAD", "job_id": "02000000", "node_id": HEAD, "pid": 1,
     "required_resources": {"GPU": 1.0}},
]  # fmt: skip
TASKS = [
    {"task_id": "t1", "state": "RUNNING", "type": "NORMAL_TASK", "job_id": "02000000", "node_id": HEAD,
     "worker_pid": 13200, "required_resources": {"GPU": 1.0, "CPU": 1.0}},
    {"task_id": "t2", "state": "RUNNING", "type": "ACTOR_TASK", "job_id": "02000000", "node_id": HEAD,
     "worker_pid": 13078, "required_resources": {}},
]  # fmt: skip


GROUPS = [
    {"placement_group_id": "pg1", "creator_job_id": "02000000", "state": "CREATED",
     "bundles": [{"node_id": HEAD, "unit_resources": {"GPU": 1.0, "CPU": 1.0}}] * 2},
    {"placement_group_id": "pg2", "creator_job_id": "02000000", "state": "PENDING",
     "bundles": [{"node_id": None, "unit_resources": {"GPU": 8.0}}]},
]  # fmt: skip


def state_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"result": True, "msg": "", "data": {"result": {"result": rows, "total": len(rows)}}}


class Dashboard:
    def __init__(self) -> None:
        summary = [{"hostname": "vm", "ip": "192.0.2.2", "raylet": {"nodeId": HEAD}}]
        self.pages: dict[str, Any] = {
            "/api/version": {"version": "4", "ray_version": "2.60.0"},
            "/api/jobs/": JOBS,
            "/api/v0/nodes": state_of(NODES),
            "/api/v0/actors": state_of(ACTORS),
            "/api/v0/tasks": state_of(TASKS),
            "/api/v0/placement_groups": state_of([]),
            "/nodes": {"result": True, "data": {"summary": summary}},
        }
        self.status = 200
        self.token = ""
        self.held = threading.Event()
        self.held.set()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def _handler(self) -> type[QuietHandler]:
        dashboard = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                dashboard.held.wait(20)
                page = dashboard.pages.get(self.path.partition("?")[0])
                let_in = not dashboard.token or self.headers.get("Authorization") == f"Bearer {dashboard.token}"
                status = 401 if not let_in else 404 if page is None else dashboard.status
                body = page if isinstance(page, bytes) else json.dumps(page).encode()
                with suppress(OSError):  # whoever asked may have gone
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

        return Handler


@pytest.fixture
def serve() -> Iterator[Callable[..., Dashboard]]:
    yield from keeping(Dashboard)


@pytest.fixture
def dashboard(serve: Callable[..., Dashboard]) -> Dashboard:
    return serve()


def source_of(dashboard: Dashboard, timeout: float = 20.0, **options: str) -> Source:
    told = {"address": dashboard.url, **options}
    spec = JobSourceSpec("ray", "ray", options=told, period_seconds=0.2, timeout_seconds=timeout)
    return Source(spec, None, WallClock())


async def test_jobs_and_what_they_hold(dashboard: Dashboard) -> None:
    async with running(source_of(dashboard)) as answers:
        jobs = await answers.jobs("train-1", "eval-2", "later-3", "01000000")
        answer = answers.told[-1]
    train, bad, later, driver = (jobs[number] for number in ("train-1", "eval-2", "later-3", "01000000"))
    assert (train.id, train.state, train.name, train.user) == ("ray:train-1", JobState.RUNNING, "llama", "alice")
    assert train.started == 1795371883.51
    assert train.allocations == (Allocation("vm", 2, cpus=2, pids=(13078, 13200)),)  # half of one is held all the same
    assert train.command == "HF_TOKEN=*** python train.py --api-key ***"
    assert (bad.state, bad.exit_code, bad.ended) == (JobState.FAILED, 1, 1795371888.028)
    assert bad.reason == ("Job entrypoint command failed with exit code 1: "
                          "boom: CUDA error: an illegal memory access was encountered")  # fmt: skip
    assert (later.state, later.started, later.allocations) == (JobState.PENDING, None, ())
    assert (driver.id, driver.state, driver.labels["type"]) == ("ray:01000000", JobState.DONE, "driver")
    assert [(node.name, node.state, node.takes_work, node.accelerators, node.accelerators_used)
            for node in answer.nodes] == [("vm", "alive", True, 2, 2), ("192.0.2.3", "dead", False, 8, 0)]  # fmt: skip
    assert answer.nodes[1].reason.startswith("Unexpected termination")
    assert answer.status.version == "2.60.0"
    assert "hunter2" not in repr(answers.told)


async def test_what_a_placement_group_reserves_is_held_once_whatever_runs_in_it(dashboard: Dashboard) -> None:
    within = {"CPU_group_0_pg1": 1.0, "GPU_group_0_pg1": 1.0, "GPU_group_pg1": 1.0, "bundle_group_0_pg1": 0.001}
    actor = {"actor_id": "a1", "state": "ALIVE", "job_id": "02000000", "node_id": HEAD, "pid": 9720}
    dashboard.pages["/api/v0/actors"] = state_of([{**actor, "required_resources": within}])
    dashboard.pages["/api/v0/tasks"] = state_of([])
    dashboard.pages["/api/v0/placement_groups"] = state_of(GROUPS)
    async with running(source_of(dashboard)) as answers:
        answer = await answers.until(is_ok)
    train = next(job for job in answer.jobs if job.number == "train-1")
    assert train.allocations == (Allocation("vm", 2, cpus=2, pids=(9720,)),)
    assert answer.nodes[0].accelerators_used == 2


async def test_an_older_ray_without_the_state_api_still_tells_its_jobs(dashboard: Dashboard) -> None:
    for page in ("/api/v0/nodes", "/api/v0/actors", "/api/v0/tasks", "/api/v0/placement_groups", "/nodes"):
        del dashboard.pages[page]
    async with running(source_of(dashboard)) as answers:
        answer = await answers.until(is_ok)
    assert answer.jobs[0].allocations == (Allocation(HEAD, None, pids=(12962,)),)  # its driver is there: no count
    assert "404" in answer.status.text


async def test_a_state_api_that_fails_says_so(dashboard: Dashboard) -> None:
    dashboard.pages["/api/v0/actors"] = {"result": False, "msg": "GCS is overloaded", "data": None}
    async with running(source_of(dashboard)) as answers:
        answer = await answers.until(is_ok)
    assert "GCS is overloaded" in answer.status.text
    assert answer.nodes[0].accelerators_used is None  # not 0


async def test_what_was_told_stays_while_it_fails(dashboard: Dashboard) -> None:
    source = source_of(dashboard)
    async with running(source) as answers:
        well = await answers.until(is_ok)
        dashboard.status = 503
        source.wake()
        failed = await answers.failed()
        assert (failed.jobs, failed.status.at) == (well.jobs, well.status.at)
        assert "503" in failed.status.text
        dashboard.status = 200
        source.wake()
        await answers.until(is_ok)


async def test_a_slow_dashboard_is_told(dashboard: Dashboard) -> None:
    dashboard.held.clear()
    async with running(source_of(dashboard, timeout=0.3)) as answers:
        failed = await answers.failed()
        dashboard.held.set()
    assert "no answer within 0.3 s" in failed.status.text
    assert failed.jobs == ()


async def test_a_token_is_shown_and_never_told(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    dashboard.token = "open-sesame"
    monkeypatch.setenv("RAY_TOKEN", "open-sesame")
    async with running(source_of(dashboard, token_env="RAY_TOKEN")) as answers:
        await answers.until(is_ok)
        dashboard.token = "another"
        answers.source.wake()
        failed = (await answers.failed()).status
    assert "401" in failed.text
    assert "token_env" in failed.advice
    assert "open-sesame" not in repr(answers.told)


async def test_what_is_no_dashboard_is_refused(dashboard: Dashboard) -> None:
    dashboard.pages["/api/version"] = b"<html>"
    async with running(source_of(dashboard)) as answers:
        failed = (await answers.failed()).status
    assert "does not speak Ray's API" in failed.text
    assert "8265" in failed.advice


async def test_nobody_there(dashboard: Dashboard) -> None:
    async with running(source_of(dashboard, address="127.0.0.1:1")) as answers:
        answer = await answers.failed()
    assert answer.status.state is SourceState.FAILED
    assert "nothing listens there" in answer.status.text


def test_the_samples_are_read() -> None:
    folder = samples("ray")
    read = {name: (folder / name).read_bytes() for name in ("api_jobs_running.json", "api_version.json",
            "nodes_summary.json", "ray_list_nodes.json", "ray_list_tasks_detail.json")}  # fmt: skip
    told = _ray_jobs.Told(
        msgspec.json.decode(read["api_jobs_running.json"], type=list[_ray_objects.RayJob]),
        [],
        msgspec.json.decode(read["ray_list_tasks_detail.json"], type=list[_ray_objects.Task]),
        [],
        msgspec.json.decode(read["ray_list_nodes.json"], type=list[_ray_objects.RayNode]),
        msgspec.json.decode(read["nodes_summary.json"], type=_ray_objects.Summary).hostnames,
    )
    assert msgspec.json.decode(read["api_version.json"], type=_ray_objects.Version).ray_version == "2.60.0"
    bad, train = _ray_jobs.jobs_of(told, "ray")
    assert bad.reason.endswith("boom: CUDA error: an illegal memory access was encountered")
    assert train.allocations == (Allocation("vm", 2, cpus=2, pids=(13200, 13201)),)
    assert [(node.name, node.accelerators, node.accelerators_used) for node in _ray_jobs.nodes_of(told)] == [
        ("vm", 2, 2)
    ]


def test_what_people_call_a_job_acts_on_no_terminal() -> None:
    named = {"name": "train\x1b[2J", "user": "ada\x07"}
    (job,) = _ray_jobs.jobs_of(
        _ray_jobs.Told([_ray_objects.RayJob("SUBMISSION", "RUNNING", submission_id="a\nb", metadata=named)]), "ray"
    )
    assert (job.number, job.name, job.user) == ("a?b", "train?[2J", "ada?")


@pytest.mark.parametrize("name", ["ray_job_list.txt", "ray_status.txt", "metrics-node-subset.prom"])
def test_the_outputs_for_people_are_refused(name: str) -> None:
    text = (samples("ray") / name).read_bytes()
    with pytest.raises(msgspec.DecodeError, match=r"JSON is malformed|Expected `array`"):
        msgspec.json.decode(text, type=list[_ray_objects.RayJob])

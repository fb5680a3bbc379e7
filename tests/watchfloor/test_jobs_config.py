"""`jobs:` of a fleet file: sources by kind, their own keys, and what is usual where it says nothing."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import yaml

from watchfloor import fleetfile
from watchfloor.commands.arguments import Source
from watchfloor.jobs.config import KINDS, told_apart
from watchfloor.jobs.model import PERIOD_SECONDS, TIMEOUT_SECONDS, JobSourceSpec
from watchfloor.schemas import schema_text

FLEET = """
jobs:
  prod: {kind: kubernetes, kubeconfig: kube/prod, namespace: lab, user_label: team/user}
  ray: {address: "http://head:8265", token_file: secret, period: 10s}
nodes: n1
"""


def test_sources_of_jobs(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET)
    jsonschema.validate(yaml.safe_load(FLEET), json.loads(schema_text("fleet")))
    prod, ray = fleetfile.read(file).jobs
    assert (prod.name, prod.kind, ray.kind) == ("prod", "kubernetes", "ray")
    assert (prod.period_seconds, prod.timeout_seconds) == (PERIOD_SECONDS, TIMEOUT_SECONDS)
    assert ray.period_seconds == 10.0
    assert prod.options == {"kubeconfig": f"{tmp_path}/kube/prod", "namespace": "lab", "user_label": "team/user"}
    assert ray.options["token_file"] == f"{tmp_path}/secret"


def test_sources_that_number_their_jobs_alike_put_their_names_into_the_ids() -> None:
    specs = [JobSourceSpec(name, kind) for name, kind in (("a", "slurm"), ("b", "slurm"), ("c", "ray"))]
    assert [spec.cluster for spec in told_apart(specs)] == ["a", "b", ""]
    assert told_apart(specs[1:]) == tuple(specs[1:])


def test_a_slurm_that_the_fleet_file_asks_is_not_asked_twice(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("jobs:\n  lab: {kind: slurm, via: local}\nnodes: n1\n")
    names = [[spec.name for spec in Source(file, slurm=asked).floor(())[1].sources] for asked in ("local", "login1")]
    assert names == [["lab"], ["lab", "slurm"]]


def test_the_schema_has_the_keys_of_every_kind() -> None:
    known = json.loads(schema_text("fleet"))["$defs"]["jobs"]["properties"]
    assert {key for keys in KINDS.values() for key in keys} <= known.keys()

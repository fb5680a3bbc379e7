"""A written fleet file reads back as the nodes that it was written from."""

from __future__ import annotations

from pathlib import Path

from watchfloor.fleetfile import read
from watchfloor.fleettext import fleet_text
from watchfloor.jobs.model import JobSourceSpec
from watchfloor.model import NodeSpec, SshOptions

_KEYS = SshOptions(
    user="demo",
    port=2201,
    identity_files=("/tmp/key file",),
    config_files=("/tmp/ssh_config",),
    known_hosts_files=("/tmp/known_hosts",),
    connect_timeout_seconds=20.0,
)


def _back(tmp_path: Path, specs: list[NodeSpec]) -> list[NodeSpec]:
    file = tmp_path / "fleet.yaml"
    file.write_text(fleet_text(specs))
    found = read(file)
    return sorted(found.specs, key=lambda spec: spec.name)


def test_nodes_in_sites_racks_and_groups(tmp_path: Path) -> None:
    specs = [
        NodeSpec("dgx-01", "127.0.0.1", "oslo", "r1", "train", {"cooling": "liquid"}, _KEYS, False, 10200.0),
        NodeSpec("dgx-02", "127.0.0.1", "oslo", "r1", "train", {}, _KEYS),
        NodeSpec("l40-01", "127.0.0.1", "oslo", "r2", "serve", {}, _KEYS, False, 2400.5),
        NodeSpec("login", "login", "turku", "", "", {}),
    ]
    assert _back(tmp_path, specs) == specs


def test_sources_of_jobs_are_asked_on_nodes_of_the_file(tmp_path: Path) -> None:
    login = NodeSpec("login", "127.0.0.1", "oslo", "r1", "", {}, _KEYS)
    file = tmp_path / "fleet.yaml"
    file.write_text(fleet_text([login], [JobSourceSpec("lab", "slurm", login, {"conf": "/etc/slurm.conf"})]))
    (source,) = read(file).jobs
    assert (source.name, source.kind, source.via) == ("lab", "slurm", login)
    assert source.options == {"conf": "/etc/slurm.conf"}


def test_nodes_without_a_place(tmp_path: Path) -> None:
    specs = [NodeSpec("a", "a"), NodeSpec("b", "10.0.0.2", group="on"), NodeSpec("here", "here", local=True)]
    assert _back(tmp_path, specs) == specs

"""The inventory: host patterns, fleet files, and that the schema for editors says what the reader does."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from watchfloor import fleetfile, hosts
from watchfloor.errors import ConfigError, WatchfloorError
from watchfloor.inventory import fleet_text, from_arguments, ssh_config_hosts
from watchfloor.model import NodeSpec, SshOptions
from watchfloor.schemas import schema_names, schema_text
from watchfloor.xidlist import sources

DOCS = Path(__file__).parents[2] / "docs" / "inventory.md"
SCHEMA = json.loads(schema_text("fleet"))


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No fleet file and no ssh settings but those that a test writes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


def documented() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "lab.yaml"
    path.write_text(documented()[0])
    return path


def names(*arguments: str, fleet: Path | None = None) -> list[str]:
    return [spec.name for spec in from_arguments(arguments, fleet).specs]


# -- host patterns


def test_patterns_are_expanded_with_users_and_ports() -> None:
    specs = from_arguments(["node[01-03]", "gpu@lab7", "host:2222", "user@[::1]:22", "::1", "a,b[1-2]"]).specs
    assert [spec.name for spec in specs] == [
        *("node01", "node02", "node03"), "lab7", "host:2222", "[::1]:22", "::1", "a", "b1", "b2",
    ]  # fmt: skip
    assert (specs[3].host, specs[3].ssh.user) == ("lab7", "gpu")
    assert (specs[4].host, specs[4].ssh.port) == ("host", 2222)
    assert (specs[5].host, specs[5].ssh) == ("::1", SshOptions(user="user", port=22))


def test_ranges_step_and_multiply() -> None:
    assert names("r[1-2]n[0-4/2]") == ["r1n0", "r1n2", "r1n4", "r2n0", "r2n2", "r2n4"]


@pytest.mark.parametrize(
    "pattern", ["n[1-3000000]", "n[1-1000]m[1-1000]", "n[0-99999999999999999999]", "a[1-60000],b[1-60000]"]
)
def test_too_many_names_are_refused_before_any_is_made(pattern: str) -> None:
    begun = time.process_time()
    with pytest.raises(ConfigError, match="at most 100,000"):
        from_arguments([pattern])
    assert time.process_time() - begun < 1.0 or "," in pattern


@pytest.mark.parametrize(
    "argument",
    ["", ",", "a,,b", "n[1-", "n]1[", "n[3-1]", "n[a-b]", "n[1-2/0]", "n[]", "x;y", "x y", "$(x)", "-oProxyCommand=x",
     "host:0", "host:99999", "host:x", "host:", "@", "-a@host", "a b@host", "a:b:c:zz", "[::1", "[nonsense]:22"],
)  # fmt: skip
def test_what_is_no_host_is_refused(argument: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_arguments([argument])
    assert caught.value.advice


@settings(max_examples=300)
@given(st.text(alphabet="ab09[]-,/:@.%_ \n*!", max_size=20))
def test_any_argument_is_either_hosts_or_refused(text: str) -> None:
    try:
        found = hosts.targets(text, 50)
    except ValueError:
        return
    assert found
    for target in found:
        assert re.fullmatch(r"[\w.:%\-]+", target.host) and not target.host.startswith("-")


def test_a_host_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="'n2' is named twice"):
        from_arguments(["n[1-3]", "n2"])


def test_nothing_named_is_this_machine() -> None:
    inventory = from_arguments([])
    assert inventory.specs == (NodeSpec(socket.gethostname(), local=True),)


# -- fleet files


def test_the_documented_fleet_is_read(lab: Path, empty_home: Path) -> None:
    fleet = from_arguments([], lab)
    specs = {spec.name: spec for spec in fleet.specs}
    assert len(specs) == 25 and fleet.name == "lab" and fleet.power_budget_watts == 400e3
    assert (specs["login-1"].site, specs["login-1"].rack) == ("oslo", "")
    dgx = specs["dgx-07"]
    assert (dgx.host, dgx.rack, dgx.group, dgx.power_budget_watts) == ("10.0.0.7", "r1", "train", 10e3)
    assert dgx.ssh == SshOptions("ops", 2222, (str(empty_home / ".ssh/fleet"),), "bastion.oslo.example")
    assert specs["dgx-13"].labels == {"team": "inference"} and specs["dgx-13"].ssh.connect_timeout_seconds == 4
    assert [(rack.name, rack.site, len(rack.nodes), rack.power_budget_watts) for rack in fleet.racks] == [
        ("r1", "oslo", 16, 120e3),
        ("r2", "oslo", 8, None),
    ]


@pytest.mark.parametrize("text", documented())
def test_every_documented_fleet_fits_the_schema_and_the_reader(text: str, tmp_path: Path) -> None:
    jsonschema.validate(yaml.safe_load(text), SCHEMA)
    (tmp_path / "x.yaml").write_text(text)
    assert from_arguments([], tmp_path / "x.yaml").specs


def test_groups_racks_sites_and_all_select_from_the_file(lab: Path) -> None:
    assert names("@serve", fleet=lab) == [f"dgx-{n}" for n in range(13, 25)]
    assert names("@r2", "login-1", fleet=lab)[-1] == "login-1"
    assert names("@oslo", fleet=lab) == names("all", fleet=lab) == names(fleet=lab)
    with pytest.raises(ConfigError, match="did you mean @serve"):
        names("@srve", fleet=lab)
    with pytest.raises(ConfigError, match="needs a fleet file"):
        names("@serve")


def test_a_part_of_a_fleet_has_no_budget_of_the_whole(lab: Path) -> None:
    part = from_arguments(["@r2", "dgx-01"], lab)
    assert part.power_budget_watts is None
    assert [(rack.name, len(rack.nodes), rack.power_budget_watts) for rack in part.racks] == [
        ("r1", 1, None),
        ("r2", 8, None),
    ]


def test_nodes_know_the_budget_of_their_rack_and_how_many_accelerators_they_ought_to_have(lab: Path) -> None:
    specs = {spec.name: spec for spec in from_arguments([], lab).specs}
    assert [specs[name].rack_budget_watts for name in ("dgx-01", "dgx-17", "login-1")] == [120e3, None, None]
    assert [specs[name].accelerators for name in ("dgx-12", "dgx-13")] == [None, 8]
    (part,) = from_arguments(["dgx-01"], lab).specs
    assert part.rack_budget_watts is None, "what a part of the rack draws says nothing of the rack"


def test_what_a_node_has_goes_before_what_its_group_has(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(
        "groups: {train: {nodes: 'n[1-2]', accelerators: 8}}\nnodes: {n2: {accelerators: 4}}"
    )
    assert [spec.accelerators for spec in from_arguments([]).specs] == [8, 4]


def test_versions_of_a_group_and_of_a_node_add_up(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(
        "groups: {train: {nodes: 'n[1-2]', versions: {nvidia: 570.124.06, kernel: ['6.8.0-45', '6.8.0-52']}}}\n"
        "nodes: {n2: {versions: {nvidia: 580.82.07}}}"
    )
    first, second = (spec.versions for spec in from_arguments([]).specs)
    assert first == {"nvidia": ("570.124.06",), "kernel": ("6.8.0-45", "6.8.0-52")}
    assert second == {**first, "nvidia": ("580.82.07",)}


def test_whose_word_counts_holds_for_nodes_of_sites_too(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("checks: {xid-source: gpud}\nsites: {oslo: {racks: {r1: n1}}}")
    assert from_arguments([]).specs[0].xid_source == "gpud"


def test_a_known_host_keeps_what_the_file_says_unless_the_argument_says_otherwise(lab: Path) -> None:
    spec = from_arguments(["root@dgx-07"], lab).specs[0]
    assert (spec.rack, spec.host, spec.ssh.user, spec.ssh.port) == ("r1", "10.0.0.7", "root", 2222)
    over = from_arguments(["dgx-07"], lab, SshOptions(port=22, config_files=("cfg",))).specs[0].ssh
    assert (over.user, over.port, over.config_files) == ("ops", 22, ("cfg",))


def test_the_usual_places_are_looked_at(lab: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings_folder = empty_home / ".config" / "watchfloor"
    settings_folder.mkdir(parents=True)
    (settings_folder / "fleet.yaml").write_text("nodes: far")
    assert names() == ["far"]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(empty_home / "xdg"))
    assert names() == [socket.gethostname()]
    (empty_home / "fleet.yaml").write_text("nodes: near")
    assert names() == ["near"]
    assert len(names(fleet=lab)) == 25


MISTAKES = [
    ("nodes: a\nssh: {connect_timeout: 0s}\n", 2, 24, "ssh.connect_timeout of 0 s"),
    ("sites:\n  oslo:\n    rakcs: {}\n", 3, 5, "did you mean racks?"),
    ("nodes: [a]\nsite: {}\n", 2, 1, "did you mean sites?"),
    ("nodes:\n  a: {ssh: {prot: 22}}\n", 2, 13, "did you mean port?"),
    ("nodes:\n  a: {ssh: {port: 70000}}\n", 2, 19, "from 1 to 65535"),
    ("power_budget: 400\nnodes: a\n", 1, 15, "W, kW, MW"),
    ("sites: {s: {nodes: 'd-[1-4]'}}\ngroups:\n  t: d-5\n", 3, 6, "did you mean d-"),
    ("sites: {s: {nodes: [a, b, a]}}\n", 1, 27, "'a' is there twice"),
    ("nodes: n[1-3000000]\n", 1, 8, "3,000,000"),
    ("nodes:\n  n[1-2]: {host: x}\n", 2, 18, "one host for the 2 nodes"),
    ("nodes:\n  n: {host: 'u@h'}\n", 2, 13, "user and port belong under ssh"),
    ("nodes: on\n", 1, 8, 'write "on"'),
    ("nodes: {a: {local: yes}}\n", 1, 20, "neither true nor false"),
    ("name:\nnodes: a\n", 1, 6, "name is empty"),
    ("- a\n", 1, 1, "should hold keys and values"),
    ("name: empty\n", 1, 1, "no node in it"),
    ("", 1, 1, "no node in it"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), MISTAKES, ids=[text[:20] for text, *_ in MISTAKES])
def test_a_mistake_names_file_line_column_and_the_way_out(text: str, line: int, column: int, message: str) -> None:
    path = Path("bad.yaml")
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        from_arguments([], path)
    assert (caught.value.file, caught.value.line, caught.value.column) == ("bad.yaml", line, column)
    assert message in str(caught.value)


def test_whose_word_counts_for_xids_is_chosen_for_the_whole_fleet(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text("checks: {xid-source: gpud}\nnodes: n[1-2]\n")
    assert [spec.xid_source for spec in from_arguments([], path).specs] == ["gpud", "gpud"]
    path.write_text("nodes: n1\n")
    assert from_arguments([], path).specs[0].xid_source == "nvidia"
    path.write_text("checks: {xid-source: gpu}\nnodes: n1\n")
    with pytest.raises(ConfigError, match="did you mean gpud"):
        from_arguments([], path)


def test_the_schema_knows_every_source_of_xids() -> None:
    assert SCHEMA["properties"]["checks"]["properties"]["xid-source"]["enum"] == list(sources())


# -- schema, writing


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (fleetfile.FLEET_KEYS, SCHEMA),
        (fleetfile.SITE_KEYS, SCHEMA["$defs"]["site"]),
        (fleetfile.RACK_KEYS, SCHEMA["$defs"]["rack"]),
        (fleetfile.GROUP_KEYS, SCHEMA["$defs"]["group"]),
        (fleetfile.NODE_KEYS, SCHEMA["$defs"]["node"]),
        (fleetfile.SSH_KEYS, SCHEMA["$defs"]["ssh"]),
    ],
)
def test_the_schema_knows_the_keys_that_the_reader_knows(keys: tuple[str, ...], place: dict) -> None:
    assert sorted(place["properties"]) == sorted(keys)
    assert place["additionalProperties"] is False


KINDS = ["{}", "[]", "5", "true", "text", "120kW", "10s", "[a, b]", "{a: b}", "{a: {}}"]


@pytest.mark.parametrize("key", fleetfile.NODE_KEYS)
@pytest.mark.parametrize("value", KINDS)
def test_schema_and_reader_agree_on_the_kind_of_every_value_of_a_node(key: str, value: str) -> None:
    agree(f"nodes:\n  n: {{{key}: {value}}}\n")


@pytest.mark.parametrize("key", fleetfile.SSH_KEYS)
@pytest.mark.parametrize("value", KINDS)
def test_schema_and_reader_agree_on_the_kind_of_every_ssh_option(key: str, value: str) -> None:
    agree(f"nodes: a\nssh: {{{key}: {value}}}\n")


@pytest.mark.parametrize("key", ["name", "sites", "groups"])
@pytest.mark.parametrize("value", KINDS)
def test_schema_and_reader_agree_on_the_kind_of_every_key(key: str, value: str) -> None:
    agree(f"nodes: [a, b, text, 120kW, 10s]\n{key}: {value}\n")


def agree(text: str) -> None:
    fits = not list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(yaml.safe_load(text)))
    Path("f.yaml").write_text(text)
    try:
        from_arguments([], Path("f.yaml"))
        read = True
    except ConfigError:
        read = False
    assert read == fits, text


def test_a_fleet_that_is_written_reads_back_as_the_same(lab: Path) -> None:
    specs = from_arguments([], lab).specs
    Path("again.yaml").write_text(fleet_text(specs))
    again = from_arguments([], Path("again.yaml")).specs
    assert {spec.name: spec for spec in again} == {spec.name: spec for spec in specs}
    jsonschema.validate(yaml.safe_load(fleet_text(specs)), SCHEMA)
    with pytest.raises(ConfigError, match="can't stand in a fleet file"):
        fleet_text([NodeSpec("host:2222")])


def test_schemas_are_found_by_name() -> None:
    assert "fleet" in schema_names()
    with pytest.raises(WatchfloorError, match="there is no schema 'flet'"):
        schema_text("flet")


# -- ssh_config


def test_concrete_hosts_of_ssh_config_are_listed_with_what_it_includes(empty_home: Path) -> None:
    ssh = empty_home / ".ssh"
    (ssh / "conf.d").mkdir(parents=True)
    (ssh / "config").write_text('Include conf.d/*\nHost bastion *.lab !x\n  User me\nhost "quoted" dgx-01\nMatch all\n')
    (ssh / "conf.d" / "a").write_text("Host=equal\nHost dgx-01 gpu?\nInclude conf.d/loop config\n")
    (ssh / "conf.d" / "loop").write_text("Include conf.d/loop\nHost loop\n")
    assert ssh_config_hosts() == ["equal", "dgx-01", "loop", "bastion", "quoted"]
    assert ssh_config_hosts(empty_home / "absent") == []


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["dgx-01", "dgx-02", "dgx-03", "dgx-07", "login"], "dgx-[01-03,07],login"),
        (["n8", "n9", "n10"], "n[8-10]"),
        (["n8", "n08"], "n8,n08"),
        (["n099", "n100"], "n[099-100]"),
        (["10.0.0.1", "10.0.0.2"], "10.0.0.[1-2]"),
        (["a-1-ib0", "b"], "a-1-ib0,b"),
        ([], ""),
    ],
)
def test_names_are_folded_into_a_pattern_that_means_the_same(names: list[str], pattern: str) -> None:
    assert hosts.folded(names) == pattern
    assert not pattern or sorted(hosts.names(pattern)) == sorted(names)

"""`source:` of a fleet file: what is read, what is refused and where, and that the schema for editors says the same."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.support.parts import ROOT
from watchfloor.errors import ConfigError
from watchfloor.fleetfile import read
from watchfloor.fleetsource import SOURCE_KEYS
from watchfloor.model import MetricsSource
from watchfloor.schemas import schema_text

SCHEMA = json.loads(schema_text("fleet"))
WHOLE = """
source:
  prometheus: https://prom.lab:9090/prefix/
  selector: '{job="dcgm", cluster="a"}'
  label: instance
  match: "{name}.lab:9400"
  period: 30s
  timeout: 5s
  stale_after: 5min
  user: ops
  password_file: secret
  ca_file: /etc/ssl/lab.pem
sites:
  oslo:
    racks:
      r1: gpu-[1-2]
  bergen:
    source: ssh
    nodes: [gpu-3, gpu-4]
nodes:
  gpu-4:
    source: {prometheus: "http://10.0.0.1:9090", token_env: TOKEN}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "fleet.yaml"
    path.write_text(text)
    return path


def test_the_nearer_one_wins_as_a_whole(tmp_path: Path) -> None:
    specs = {spec.name: spec.source for spec in read(write(tmp_path, WHOLE)).specs}
    assert specs["gpu-1"] == specs["gpu-2"] == MetricsSource(
        "https://prom.lab:9090/prefix", 'job="dcgm", cluster="a"', "instance", "{name}.lab:9400", 30.0, 5.0, 300.0,
        user="ops", password_file=str(tmp_path / "secret"), ca_file="/etc/ssl/lab.pem",
    )  # fmt: skip
    assert specs["gpu-3"] is None
    assert specs["gpu-4"] == MetricsSource("http://10.0.0.1:9090", token_env="TOKEN")


def test_the_schema_knows_the_keys_and_the_file() -> None:
    assert set(SCHEMA["$defs"]["source"]["anyOf"][1]["properties"]) == set(SOURCE_KEYS)
    jsonschema.validate(yaml.safe_load(WHOLE), SCHEMA)


@pytest.mark.parametrize(
    ("source", "place", "words"),
    [
        ("{}", "1:9", "needs a key 'prometheus'"),
        ("http://a:9090", "1:9", "neither ssh nor keys"),
        ("{prometheus: prom:9090}", "1:22", "no address of a server"),
        ("{prometheus: 'http://a:b'}", "1:22", "no address of a server"),
        ("{prometheus: 'http://a/?x=1'}", "1:22", "no address of a server"),
        ("{prometheus: 'http://u:p@a:9090'}", "1:22", "has a password in it"),
        ("{prometheus: 'http://a', period: 15}", "1:42", "needs one of the units"),
        ("{prometheus: 'http://a', period: 10ms}", "1:42", "shorter than 1 s"),
        ("{prometheus: 'http://a', label: 'a b'}", "1:41", "no name of a label"),
        ("{prometheus: 'http://a', match: 'x'}", "1:41", "doesn't tell nodes apart"),
        ("{prometheus: 'http://a', match: '{nam}'}", "1:41", "doesn't tell nodes apart"),
        ("{prometheus: 'http://a', match: '{name}{'}", "1:41", "doesn't tell nodes apart"),
        ("{prometheus: 'http://a', selector: 'up{a=\"b\"}'}", "1:44", "no list of matchers"),
        ("{prometheus: 'http://a', token_env: A, token_file: b}", "1:45", "token_env beside token_file"),
        ("{prometheus: 'http://a', token: abc}", "1:34", "did you mean token_env"),
    ],
)
def test_what_is_refused_and_where(source: str, place: str, words: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"source: {source}\nnodes: a\n")
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert words in str(caught.value)
    assert f"{caught.value.line}:{caught.value.column}" == place


def test_the_documented_source_is_read(tmp_path: Path) -> None:
    documented = (ROOT / "docs" / "prometheus.md").read_text("utf-8")
    text = next(block.partition("```")[0] for block in documented.split("```yaml\n") if block.startswith("source:"))
    jsonschema.validate(yaml.safe_load(text), SCHEMA)
    specs = read(write(tmp_path, text)).specs
    assert len(specs) == 32 and all(spec.source and spec.source.selector for spec in specs)

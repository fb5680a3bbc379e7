"""ssh_config as OpenSSH reads it: `ssh -G` is the oracle."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from collectors.transports.ssh_config import SshConfig
from collectors.transports.ssh_target import Target, resolve, split_hop
from tests.support import parts
from watchfloor.errors import ConfigError, ConnectError
from watchfloor.model import NodeSpec, Problem, SshOptions

TEXT = """
Include {folder}/included
Host gpu-* !gpu-09
    HostName %h.lab.example
    User trainer
    Port=2200
    IdentityFile "{folder}/a key"
    ProxyJump ops@gate:2022,inner
Host gpu-09
    HostName 10.0.0.9
    HostKeyAlias nine
    ConnectTimeout 7
Match originalhost special user root
    Port 4000
Match host *.lab.example exec "test %h = gpu-01.lab.example"
    Compression yes
    ServerAliveInterval 15
Match final host 10.0.0.9
    Ciphers aes256-gcm@openssh.com
Host *
    User = someone
    IdentityFile {folder}/b
    IdentityFile {folder}/c
    UserKnownHostsFile {folder}/one {folder}/two
    GlobalKnownHostsFile {folder}/three
    CertificateFile {folder}/b-cert.pub
"""
INCLUDED = """
Host special
    User root
    IdentitiesOnly yes
    ProxyCommand nc -x "a b" %h %p
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "included").write_text(INCLUDED)
    path = tmp_path / "config"
    path.write_text(TEXT.format(folder=tmp_path))
    return path


def _ours(config: Path, host: str) -> Target:
    return resolve(NodeSpec(host), SshConfig([str(config)]))


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        (NodeSpec("n1"), "n1"),
        (NodeSpec("n1", host="127.0.0.1", ssh=SshOptions(port=2201)), "127.0.0.1:2201"),
        (NodeSpec("gpu-09"), "gpu-09 (10.0.0.9)"),
    ],
)
def test_messages_name_an_address_once(config: Path, spec: NodeSpec, place: str) -> None:
    assert resolve(spec, SshConfig([str(config)])).place == place


def _theirs(config: Path, host: str) -> dict[str, list[str]]:
    shown = subprocess.run(
        [parts.program("ssh", "openssh-client"), "-G", "-F", str(config), host],
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    found: dict[str, list[str]] = {}
    for line in shown.stdout.splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword, []).append(value)
    return found


@pytest.mark.parametrize("host", ["gpu-01", "gpu-02", "gpu-09", "special", "other"])
def test_the_answer_is_that_of_ssh(config: Path, host: str) -> None:
    ours, theirs = _ours(config, host), _theirs(config, host)
    assert ours.host == theirs["hostname"][0]
    assert str(ours.port) == theirs["port"][0]
    assert ours.user == theirs["user"][0]
    assert list(ours.credentials.identity_files) == theirs["identityfile"]
    assert list(ours.credentials.certificate_files) == theirs["certificatefile"]
    assert ours.credentials.identities_only == (theirs["identitiesonly"] == ["yes"])
    assert " ".join(ours.known_hosts_files) == " ".join(theirs["userknownhostsfile"] + theirs["globalknownhostsfile"])
    assert ours.compression == (theirs["compression"] == ["yes"])
    assert f"{ours.alive_interval:g}" == theirs["serveraliveinterval"][0]
    assert ours.host_key_alias == theirs.get("hostkeyalias", [""])[0]
    assert bool(ours.jump) == ("proxyjump" in theirs)
    assert (ours.ciphers == "aes256-gcm@openssh.com") == (theirs["ciphers"] == ["aes256-gcm@openssh.com"])


def test_jumps_are_resolved_each_by_its_own_block(config: Path) -> None:
    inner = _ours(config, "gpu-01").jump
    assert inner is not None and (inner.host, inner.user, inner.port) == ("inner", "someone", 22)
    gate = inner.jump
    assert gate is not None and (gate.host, gate.user, gate.port) == ("gate", "ops", 2022)
    assert gate.jump is None


def test_the_inventory_has_the_last_word(config: Path) -> None:
    options = SshOptions("me", 99, (str(config.parent / "mine"),), "none", (), ("/known",), 3.0)
    target = resolve(NodeSpec("n", host="gpu-01", ssh=options), SshConfig([str(config)]))
    assert (target.user, target.port, target.jump, target.timeout) == ("me", 99, None, 3.0)
    assert target.known_hosts_files == ("/known",)
    assert target.credentials.identity_files[0].endswith("/mine")
    assert _ours(config, "gpu-09").timeout == 7.0


def test_a_proxy_command_has_its_tokens(config: Path) -> None:
    assert _ours(config, "special").proxy_command == 'nc -x "a b" special 4000'


def test_a_circle_of_jumps_ends(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    with pytest.raises(ConnectError) as caught:
        _ours(path, "a")
    assert caught.value.problem is Problem.UNREACHABLE and "circle" in str(caught.value)


def test_an_error_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("Host a\n  User x\n\n  Port\n")
    with pytest.raises(ConfigError) as caught:
        SshConfig([str(path)])
    assert (caught.value.file, caught.value.line) == (str(path), 4)


@pytest.mark.parametrize("line", ["Port abc", "Port 70000", "ConnectTimeout soon", "ServerAliveCountMax 1.5"])
def test_a_value_that_is_no_number_has_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "config"
    path.write_text(f"Host a\n  {line}\n")
    with pytest.raises(ConfigError) as caught:
        SshConfig([str(path)])
    assert (caught.value.file, caught.value.line) == (str(path), 2)
    assert line in caught.value.message


@pytest.mark.parametrize(("text", "seconds"), [("30", 30.0), ("1m30s", 90.0), ("2M", 120.0), ("none", 10.0)])
def test_times_are_written_as_ssh_takes_them(tmp_path: Path, text: str, seconds: float) -> None:
    path = tmp_path / "config"
    path.write_text(f"Host a\n  ConnectTimeout {text}\n  ServerAliveInterval 1m\n")
    target = _ours(path, "a")
    assert (target.timeout, target.alive_interval) == (seconds, 60.0)


@pytest.mark.parametrize(
    ("hop", "parts"),
    [
        ("gate", (None, "gate", None)),
        ("me@gate:22", ("me", "gate", 22)),
        ("ssh://me@gate:2022/", ("me", "gate", 2022)),
        ("me@[fe80::1]:2022", ("me", "fe80::1", 2022)),
        ("fe80::1", (None, "fe80::1", None)),
        ("a@b@gate", ("a@b", "gate", None)),
    ],
)
def test_a_hop_has_user_host_and_port(hop: str, parts: tuple[str | None, str, int | None]) -> None:
    assert split_hop(hop) == parts

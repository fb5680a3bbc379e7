"""known_hosts as OpenSSH reads it. What `ssh-keygen -F` finds is the oracle."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from collectors.transports.known_hosts import load
from tests.support import parts

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 42 + "8="
TEXT = f"""# comment
plain ssh-ed25519 {KEY}one
[plain]:2222 ssh-ed25519 {KEY}two
*.lab,!gate.lab ssh-ed25519 {KEY}three
@cert-authority *.cluster,[10.0.0.*]:2222 ssh-ed25519 {KEY}four
@revoked * ssh-ed25519 {KEY}five
10.1.2.3,tenth ssh-rsa {KEY}six
nonsense
@unknown-marker plain ssh-ed25519 {KEY}seven
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "known_hosts"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("host", "port", "alias", "lines"),
    [
        ("plain", 22, "", [2]),
        ("PLAIN", 22, "", [2]),
        ("plain", 2222, "", [3]),
        ("plain", 2200, "", [2]),  # none with this port: the entry without one counts
        ("a.lab", 22, "", [4]),
        ("gate.lab", 22, "", []),
        ("tenth", 22, "", [7]),
        ("whatever", 2200, "tenth", [7]),
        ("stranger", 22, "", []),
    ],
)
def test_keys_of_a_host(file: Path, host: str, port: int, alias: str, lines: list[int]) -> None:
    trust = load([str(file)]).trust(host, port, alias)
    assert [entry.line for entry in trust.keys] == lines
    assert all(entry.file == str(file) for entry in trust.keys)
    assert [entry.line for entry in trust.revoked][:1] == [6]


def test_authorities_match_by_pattern_and_port(file: Path) -> None:
    known = load([str(file)])
    assert [entry.line for entry in known.trust("n1.cluster").authorities] == [5]
    assert [entry.line for entry in known.trust("10.0.0.7", 2222).authorities] == [5]
    assert not known.trust("10.0.0.7").authorities


def test_a_missing_file_knows_nobody(tmp_path: Path) -> None:
    assert not load([str(tmp_path / "none")]).trust("host").known


def test_hashed_names_are_found(tmp_path: Path) -> None:
    keygen, path = parts.program("ssh-keygen", "openssh-client"), tmp_path / "known_hosts"
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    key = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    path.write_text(f"node1 {key}\n[node2]:2222 {key}\n")
    subprocess.run([keygen, "-H", "-f", str(path)], check=True, capture_output=True)
    assert "node" not in path.read_text()
    known = load([str(path)])
    assert [entry.line for entry in known.trust("node1").keys] == [1]
    assert [entry.line for entry in known.trust("node2", 2222).keys] == [2]
    assert not known.trust("node3").known

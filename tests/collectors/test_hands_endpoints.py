"""endpoints.yaml: where requests go, and that no secret has to stand in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.acting.endpoints import read_endpoints
from collectors.acting.http import Endpoint
from watchfloor.errors import ConfigError


def _read(folder: Path, text: str) -> dict[str, Endpoint]:
    (folder / "endpoints.yaml").write_text(text)
    return read_endpoints(folder / "endpoints.yaml")


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert read_endpoints(tmp_path / "endpoints.yaml") == {}


def test_addresses_and_secrets_by_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ops")
    text = """
tickets:
  url_file: ~/tickets.url
  header_files: {Authorization: ~/tickets.token}
  headers: {X-Team: gpu}
notices: {url: "https://chat.example/in?room=gpu", ca_file: /etc/ca.pem}
pages: {url_env: PAGES_URL, header_env: {X-Token: PAGES_TOKEN}}
"""
    assert _read(tmp_path, text) == {
        "tickets": Endpoint(
            url_file="/home/ops/tickets.url",
            headers={"X-Team": "gpu"},
            header_files={"Authorization": "/home/ops/tickets.token"},
        ),
        "notices": Endpoint("https://chat.example/in?room=gpu", ca_file="/etc/ca.pem"),
        "pages": Endpoint(url_env="PAGES_URL", header_env={"X-Token": "PAGES_TOKEN"}),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tickets: {}", "needs one address"),
        ("tickets: {url: 'https://a', url_env: B}", "needs one address"),
        ("tickets: {url: 'ftp://a'}", "is no address"),
        ("tickets: {url: 'https://me:secret@a'}", "has a user in it"),
        ("tickets: {url: 'https://a', headers: {Authorization: x}}", "looks like a secret"),
        ("tickets: {url: 'https://a', header_files: {'X Y': /a}}", "no name of a header"),
        ("tickets: {url_file: here}", "no whole path"),
        ("tickets: {urls: 'https://a'}", "did you mean url"),
        ("Tickets: {url: 'https://a'}", "no name of an endpoint"),
    ],
)
def test_mistakes_are_named_with_their_place_and_without_the_secret(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        _read(tmp_path, text)
    assert caught.value.line == 1 and "endpoints.yaml" in str(caught.value) and "secret@" not in str(caught.value)

"""The documents say what the program does: commands, exit codes, metrics, links."""

from __future__ import annotations

import re

import pytest

from agents.catalogue import as_markdown as actions_as_markdown
from tests.house.sources import files, shown
from tests.support.actinghands import NotedActing
from tests.support.feeds import HandFeed
from tests.support.golden import same_as_golden
from tests.support.parts import ROOT
from tui.app import WatchfloorApp
from tui.base import AppOptions, Desk
from tui.help import entries
from tui.help import shown as shown_key
from tui.pages import keys, load
from tui.widgets.heatmap import HeatMap
from tui.widgets.table import VirtualTable
from watchfloor import __version__
from watchfloor.cli import COMMANDS
from watchfloor.exits import Exit, Proof
from watchfloor.snapshot.catalogue import as_markdown

README = ROOT / "README.md"
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)")


@pytest.mark.parametrize("name", list(COMMANDS))
def test_readme_has_every_command(name: str) -> None:
    assert f"`watchfloor {name}" in README.read_text("utf-8")


def test_readme_has_every_key() -> None:
    options = AppOptions(acting=NotedActing())  # the keys of consoles that act among them
    pages = [page(Desk.for_options(options, dict, lambda _, __: None)) for page in map(load, keys())]
    shown_keys = [
        (key, does)
        for node in (*pages, VirtualTable(marks=True), HeatMap(), WatchfloorApp(HandFeed()))
        for keys, does in entries(node)
        for key in keys.split()
        if not (key.startswith("Shift+") and does.startswith("sort by"))  # said once for all letters
    ]
    text = README.read_text("utf-8")
    assert [(key, does) for key, does in shown_keys if f"`{key}`" not in text] == []
    assert all(f"`{shown_key(key)}` {name}" in text for name, key in keys().items())


@pytest.mark.parametrize("code", list(Exit), ids=lambda code: code.name)
def test_every_exit_code_is_documented(code: Exit) -> None:
    table = (ROOT / "docs" / "exit-codes.md").read_text("utf-8")
    assert f"| {code.value} | {code.name} | {code.meaning} |" in table
    assert f"`{code.value}`" in README.read_text("utf-8")


@pytest.mark.parametrize("code", list(Proof), ids=lambda code: code.name)
def test_every_exit_code_of_a_verification_is_documented(code: Proof) -> None:
    table = (ROOT / "docs" / "exit-codes.md").read_text("utf-8")
    assert f"| {code.value} | {code.name} | {code.meaning} |" in table
    assert f"{code.name}: {code.meaning} |" in (ROOT / "docs" / "evidence.md").read_text("utf-8")


def test_every_metric_is_documented() -> None:
    same_as_golden(ROOT / "docs" / "metrics.md", as_markdown())


def test_every_action_is_documented() -> None:
    same_as_golden(ROOT / "docs" / "actions.md", actions_as_markdown())


def test_links_between_documents_lead_somewhere() -> None:
    dead = [
        f"{shown(path)} -> {target}"
        for path in files()
        if path.suffix == ".md"
        for target in _LINK.findall(path.read_text("utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert not dead, f"links that lead nowhere: {dead}"


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    assert "make check test" in README.read_text("utf-8")
    assert "make check test" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_make_targets_named_in_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for path in (README, ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md"):
        for line in re.findall(r"(?:\$ |`)make ([a-z][a-z ]*)", path.read_text("utf-8")):
            assert set(line.split()) <= targets, f"{path.name}: make {line}"


def test_the_changelog_has_this_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_pinned_requirements_hold_hashes_and_no_address() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text("utf-8")
        pins = re.findall(r"^([a-z0-9][\w.-]*)==", text, re.MULTILINE)
        assert len(pins) > 10
        for block in re.split(r"\n(?=[a-z0-9])", text.strip()):
            assert "--hash=sha256:" in block, block.splitlines()[0]
        assert "://" not in text


def test_the_architecture_names_every_room() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    folders = [path for room in ("watchfloor", "collectors", "agents", "playbooks", "tui") for path in _packages(room)]
    missing = [name for name in folders if f"{name}/" not in text]
    assert not missing, f"ARCHITECTURE.md doesn't name {missing}"


def _packages(room: str) -> list[str]:
    inner = [path.parent.name for path in (ROOT / room).glob("*/__init__.py")]
    return [room, *inner]


def test_paths_named_in_the_architecture_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    named = re.findall(r"`((?:watchfloor|collectors|agents|playbooks|tui|tests|bench|docs)/[\w./-]+)`", text)
    dead = [name for name in named if "NAME" not in name and not (ROOT / name).exists()]
    assert not dead, f"ARCHITECTURE.md names what isn't there: {dead}"

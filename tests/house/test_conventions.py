"""House rules as tests. A failure names the files and the rule."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.house.sources import ROOMS, files, modules, shown, texts
from tests.support.parts import ROOT

LONGEST_FILE, LONGEST_TEST_FILE = 400, 500
LONGEST_FUNCTION = 60
_WORD = re.compile(r"[\w.-]{8,}")

# in pieces, so that this file is none of its own findings
_REFUSED = {
    "unfinished work": "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3 + r"\b")),
    "path of one machine": r"(?<![\w.~-])/(?:" + "|".join(("ro" + "ot", "wo" + "rk")) + r")/(?!\*)",
}

# no package registry is named, nor the option that names one, here neither: how long a part of that is -> its SHA-256
_REGISTRIES = {
    9: "9b03cc7c69a854b6b50736cce54fac9e25894fb2854e27fc410d4bbbe2d73f6e",
    8: "a4aa2ac280bb8d1a0ce7a1be5a7bfb10292b49fe9435ad5cff19f421f3c70e41",
    12: "2960ad205cb64ff32e75e2aa45cd3be6fdb71486aa8441feafbfd468b7dc4162",
}


_SPEAKS = re.compile(r'"""\w')  # as most files begin


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        shown(path)
        for path, text in texts(*ROOMS, "tests", "bench")
        if not _SPEAKS.match(text) and not ast.get_docstring(ast.parse(text))
    ]
    assert not silent, f"no docstring at the top of {silent}"


@pytest.mark.parametrize("rule", list(_REFUSED))
def test_nothing_is_written_that_has_no_place_here(rule: str) -> None:
    pattern = re.compile(_REFUSED[rule])
    found = [
        f"{shown(path)}:{number}: {line.strip()[:80]}"
        for path in files()
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, f"{rule}:\n" + "\n".join(found)


def _named(word: str) -> bool:
    """Whether any part of a word has one of these digests."""
    return any(
        sha256(word[at : at + length].encode()).hexdigest() == digest
        for length, digest in _REGISTRIES.items()
        for at in range(len(word) - length + 1)
    )


def test_no_package_registry_is_named() -> None:
    words = {word: path for path in files() for word in set(_WORD.findall(path.read_text("utf-8", "replace")))}
    found = [shown(path) for word, path in words.items() if _named(word)]
    assert not found, f"the host of a registry in {found}"


def test_nothing_prints_past_the_commands() -> None:
    calls = [
        f"{shown(path)}:{node.lineno}"
        for path, tree in modules(*ROOMS, saying=["print"])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not calls, f"print() in {calls}: commands write through watchfloor.commands.output"


def test_nothing_loads_the_masked_arrays_of_numpy() -> None:
    heavy = re.compile(
        r"np\.(median|nanmedian|(nan)?percentile|(nan)?quantile|setdiff1d|union1d|isin\(|unique\((?!.*return_))"
    )
    found = [
        f"{shown(path)}:{number}"
        for path, text in texts("watchfloor", "tui", "collectors")
        for number, line in enumerate(text.splitlines(), 1)
        if heavy.search(line) and "`" not in line
    ]
    assert not found, f"{found}: take watchfloor.distinct"


def test_tests_wait_for_events_and_never_sleep() -> None:
    calls = [
        f"{shown(path)}:{node.lineno}"
        for path, tree in modules("tests", saying=["sleep"])
        for node in ast.walk(tree)
        if path.name.startswith("test_")  # a helper of tests/support may poll
        and isinstance(node, ast.Attribute)
        and node.attr == "sleep"
        and _is(node.value, "time")
    ]
    assert not calls, f"time.sleep in {calls}: poll a condition with a deadline, or await an event"


def test_waits_lose_no_cancellation() -> None:
    calls = [
        f"{shown(path)}:{node.lineno}"
        for path, tree in modules(*ROOMS, saying=["wait_for"])
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "wait_for" and _is(node.value, "asyncio")
    ]
    assert not calls, f"asyncio.wait_for in {calls}: of Python 3.11, it loses a cancellation that meets its end"


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def test_files_and_functions_stay_readable() -> None:
    long = [
        f"{shown(path)}: {len(text.splitlines())} lines"
        for path, text in texts(*ROOMS, "bench", "tests")
        if len(text.splitlines()) > (LONGEST_TEST_FILE if "tests" in path.parts else LONGEST_FILE)
    ]
    assert not long, f"too long to read in one go: {long}"
    functions = [
        f"{shown(path)}:{node.lineno} {node.name}"
        for path, tree in modules(*ROOMS)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    assert not functions, f"{LONGEST_FUNCTION} lines or more: {functions}"


_ON_NODES = (ROOT / "collectors" / "probe", ROOT / "collectors" / "hands")


def _on_nodes() -> Iterator[tuple[Path, str]]:
    for folder in _ON_NODES:
        for path in sorted(folder.rglob("*.py")):
            yield path, path.read_text("utf-8")


def test_what_runs_on_nodes_is_python_3_6() -> None:
    for path, text in _on_nodes():
        ast.parse(text, str(path), feature_version=(3, 6))


def test_what_runs_on_nodes_calls_nothing_that_is_newer_than_python_3_6() -> None:
    """Its grammar may be old and its calls not: capture_output, time.time_ns and the like."""
    program = "import sys, vermin; sys.exit(vermin.main())"
    command = [sys.executable, "-c", program, "--no-tips", "--violations", "-t=3.6-", *map(str, _ON_NODES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Minimum required versions" in done.stdout, done.stdout + done.stderr


def test_what_runs_on_nodes_imports_nothing_that_one_may_lack() -> None:
    allowed = {*sys.stdlib_module_names, "pynvml", "psutil", "collectors"}
    foreign = [
        f"{shown(path)}: {name}"
        for path, text in _on_nodes()
        for node in ast.walk(ast.parse(text))
        for name in _imported(node)
        if name.split(".")[0] not in allowed or (name.startswith("collectors") and "probe" not in name)
    ]
    assert not foreign, f"it runs on the node's bare python3: {foreign}"


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []

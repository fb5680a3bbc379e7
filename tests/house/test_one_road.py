"""There is no way around the road: what can start a program or open a channel is known, and acts go by the harness."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.house.sources import ROOMS, modules, shown
from tests.support.actinghands import NotedActing
from tests.support.parts import ROOT
from tui.base import AppOptions, Desk, discover

# who may start a program on this machine or signal one, and what for
STARTERS = {
    "collectors/transports/local.py": "the probe, and the hands, of this machine",
    "collectors/transports/ssh_config.py": "Match exec, as ssh_config says",
    "collectors/transports/ssh_proxy.py": "ProxyCommand, as ssh_config says",
    "collectors/simulator": "the demo's own servers and nodes",
    "collectors/probe": "reads a node: tools of vendors, none of which is told to change anything",
    "collectors/hands": "carries out one deed on a node, when it is told to",
    "collectors/acting": "the console's side of the hands",
    "watchfloor/signing.py": "ssh-keygen signs and verifies",
    "watchfloor/anchors.py": "git notes",
}
_STARTING = {
    ("subprocess", "*"),
    ("asyncio", "create_subprocess_exec"),
    ("asyncio", "create_subprocess_shell"),
    ("os", "system"),
    ("os", "popen"),
    ("os", "kill"),
    ("os", "killpg"),
    ("os", "posix_spawn"),
    ("os", "execv"),
    ("os", "execve"),
    ("os", "execvp"),
    ("os", "fork"),
    ("pty", "*"),
    ("multiprocessing", "*"),
}


def _calls(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            yield (owner.id if isinstance(owner, ast.Name) else "", node.func.attr, node.lineno)


def _known(path: str) -> bool:
    return any(path == name or path.startswith(f"{name}/") for name in STARTERS)


def test_what_can_start_a_program_is_known() -> None:
    strange = [
        f"{shown(path)}:{line}"
        for path, tree in modules(*ROOMS)
        for owner, name, line in _calls(tree)
        if ((owner, name) in _STARTING or (owner, "*") in _STARTING) and not _known(shown(path))
    ]
    assert not strange, f"{strange}: acts go through the harness; other programs have their place in STARTERS"


def test_no_shell_is_given_a_line() -> None:
    shells = [
        f"{shown(path)}:{node.lineno}"
        for path, tree in modules(*ROOMS)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword)
        and node.arg == "shell"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert not shells, f"shell= in {shells}"


def test_an_action_is_applied_by_the_runner_alone_and_the_runner_made_by_the_harness_alone() -> None:
    appliers = {
        shown(path)
        for path, tree in modules("agents", "watchfloor", "tui", "playbooks")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "apply"
        and any(isinstance(argument, ast.Attribute) and argument.attr == "hands" for argument in node.args)
    }
    assert appliers == {"agents/stepping.py"}
    assert _makers("Stepping") == {"agents/runner.py"}
    assert _makers("Runner") == {"agents/harness.py"}
    assert _makers("Harness") == {"watchfloor/acting.py"}
    assert _makers("FleetHands") == {"watchfloor/acting.py"}


def _makers(name: str) -> set[str]:
    return {
        shown(path)
        for path, tree in modules(*ROOMS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        if not shown(path).startswith("collectors/probe/")  # runs on nodes, and has a Runner of samplers
    }


def test_a_read_only_console_holds_no_code_that_acts(tmp_path: Path) -> None:
    """Everything that the terminal and the reading commands load, also to tell what would be done about a finding, and
    nothing of the hands or the harness among it."""
    program = """
import sys
from watchfloor import wiring, checks
import watchfloor.commands.terminal, watchfloor.commands.snapshot, watchfloor.commands.jobs
import tui.app
from tui.base import discover
discover()
from watchfloor.offers import offers
from watchfloor.playbookshelf import shelf
assert shelf().playbooks
import collectors.supervisor, collectors.transports.ssh, collectors.transports.local
import watchfloor.commands.demo, collectors.simulator.fleet
acting = ("agents", "collectors.acting", "collectors.hands", "watchfloor.acting")
held = [name for name in sys.modules if name.startswith(acting)]
print(" ".join(held))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []


def test_a_read_only_console_binds_no_key_that_acts() -> None:
    """What acts is bound by a page that is made with a port to act by, and by sheets that are opened with one alone."""
    for page in discover():
        watching = page(Desk.for_options(AppOptions(), dict, lambda _, __: None))
        acting = page(Desk.for_options(AppOptions(acting=NotedActing()), dict, lambda _, __: None))
        more = set(acting._bindings.key_to_bindings) - set(watching._bindings.key_to_bindings)
        assert more == {binding.key for binding in page.ACTING_BINDINGS}
        mine = {binding.action for bindings in watching._bindings.key_to_bindings.values() for binding in bindings}
        assert not mine & {binding.action for binding in page.ACTING_BINDINGS}


def test_pages_reach_what_acts_by_one_port_alone() -> None:
    """`ports.Acting` is asked by the cards and by what carries runs, each opened only where there is one."""
    askers = {
        shown(path)
        for path, tree in modules("tui")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("sign", "weigh", "propose", "carry_out")
    }
    assert askers == {"tui/card.py", "tui/remedies.py", "tui/carrying.py"}

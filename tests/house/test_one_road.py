"""There is no way around the road: what can start a program or open a channel is known, and acts go by the harness."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.house.roads import roads
from tests.house.sources import ROOMS, modules, shown
from tests.support.actinghands import NotedActing
from tests.support.parts import ROOT
from tui.base import AppOptions, Desk
from tui.pages import keys, load

# every module that can start a program, signal one or open a channel, and what for
ROADS = {
    "collectors/acting/http.py": "one call to an endpoint of endpoints.yaml, as the hands do it",
    "collectors/hands/carry.py": "carries out one deed on a node, when it is told to",
    "collectors/hands/detached.py": "a deed on a node outlives the channel that asked for it",
    "collectors/probe/listening.py": "asks the node's kernel which sockets listen",
    "collectors/probe/programs.py": "reads a node: tools of vendors, none of which is told to change anything",
    "collectors/probe/world.py": "reads a node: the vendor's library, and what a service on it tells of itself",
    "collectors/simulator/demo_server.py": "the demo's own servers and nodes",
    "collectors/simulator/desk.py": "the demo's own inference server",
    "collectors/simulator/service.py": "starts the demo's servers",
    "collectors/simulator/ssh_server.py": "the demo's nodes are reached by SSH",
    "collectors/simulator/streams.py": "between the demo's processes",
    "collectors/simulator/tools/__init__.py": "between the demo's processes",
    "collectors/simulator/tools/libtpu.py": "a simulated TPU runtime answers",
    "collectors/simulator/tools/vllm.py": "a simulated inference server answers",
    "collectors/simulator/wire_server.py": "the demo's nodes are reached by SSH",
    "collectors/simulator/zygote.py": "the demo's nodes are forked",
    "collectors/sources/_http.py": "reads from services by GET",
    "collectors/sources/_kube_client.py": "reads from Kubernetes",
    "collectors/transports/local.py": "the probe, and the hands, of this machine",
    "collectors/transports/ssh_config.py": "Match exec, as ssh_config says",
    "collectors/transports/ssh_keys.py": "keys, and the agent that holds them",
    "collectors/transports/ssh_link.py": "the one SSH connection to a node: the probe, and the hands, run over it",
    "collectors/transports/ssh_proxy.py": "ProxyCommand, as ssh_config says",
    "collectors/transports/ssh_trouble.py": "tells a person why a connection failed; it opens none",
    "watchfloor/anchors.py": "git notes, and the system log's socket",
    "watchfloor/exporter.py": "answers a scraper of metrics",
    "watchfloor/httpserver.py": "what answers over HTTP",
    "watchfloor/lineagereceiver.py": "takes OpenLineage's events",
    "watchfloor/signing.py": "ssh-keygen signs and verifies",
    "watchfloor/sparing.py": "the C library gives memory back",
}
NOT_ROADS = {("tui/screens/jobs.py", "*.run of a text")}


def test_what_can_start_a_program_or_open_a_channel_is_known() -> None:
    walked = [(shown(path), found) for path, tree in modules(*ROOMS) for found in roads(tree)]
    strange = [
        f"{path}:{line} {name}" for path, (line, name) in walked if path not in ROADS and (path, name) not in NOT_ROADS
    ]
    assert not strange, f"{strange}: acts go through the harness; what else needs a road has its place in ROADS"
    assert not set(ROADS) - {path for path, _ in walked}, "a module is named in ROADS that has no road any more"


def test_no_shell_is_given_a_line() -> None:
    shells = [
        f"{shown(path)}:{node.lineno}"
        for path, tree in modules(*ROOMS, saying=["shell"])
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword)
        and node.arg == "shell"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert not shells, f"shell= in {shells}"


def test_an_action_is_applied_by_the_runner_alone_and_the_runner_made_by_the_harness_alone() -> None:
    appliers = {
        shown(path)
        for path, tree in modules("agents", "watchfloor", "tui", "playbooks", saying=["apply"])
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
        for path, tree in modules(*ROOMS, saying=[name])
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
from tui.pages import keys, load
for name in keys():
    load(name)
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
    for page in map(load, keys()):
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

"""Every action there is: what all must keep to, whatever they do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from agents.action import Kind, actions, sudo_rules
from agents.parameters import checked
from watchfloor.change import Risk, Value
from watchfloor.model import Scope

NAMES = sorted(actions())
HOSTILE = ("-rf", "--gpu-reset", "a\nb", "a\x1b[2J", "a\0b", "x" * 5000)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    action = actions()[name]
    assert action.summary and not action.summary.endswith(".")
    assert isinstance(action.risk, Risk) and isinstance(action.scope, Scope)
    assert isinstance(action.harms, str) and isinstance(action.heals, bool)
    assert all(parameter.summary for parameter in action.parameters.values())
    assert action.heals is False or action.risk < Risk.TAKES_OUT


@pytest.mark.parametrize("name", NAMES)
def test_no_parameter_takes_a_text_that_would_be_an_option_or_a_second_line(name: str) -> None:
    parameters = actions()[name].parameters
    good: dict[str, Value] = {
        key: one.choices[0] if one.choices else _some(one.kind, one.least) for key, one in parameters.items()
    }
    checked(good, parameters)
    for key, one in parameters.items():
        for wrong in HOSTILE if one.kind is Kind.TEXT else ("1", True, float("nan"), float("inf"), -(10**9), 10**12):
            if one.kind is Kind.FLAG and wrong is True:
                continue
            with pytest.raises(Exception, match=key):
                checked({**good, key: wrong}, parameters)
    with pytest.raises(Exception, match="no parameter is called nonsense"):
        checked({**good, "nonsense": 1}, parameters)


def _some(kind: Kind, least: float | None) -> Value:
    return {Kind.TEXT: "x", Kind.FLAG: True, Kind.NUMBER: least or 1}[kind]


@pytest.mark.parametrize("name", NAMES)
def test_what_sudo_must_allow_is_narrow(name: str) -> None:
    """A whole path, and arguments that are either literal or bounded by a regular expression from end to end."""
    for rule in sudo_rules(actions()[name]):
        program, _, arguments = rule.partition(" ")
        assert program.startswith("/usr/") and "*" not in program
        assert not re.search(r"python|/sh$|bash|env$", program)
        if arguments.startswith("^"):
            assert arguments.endswith("$")
            assert not re.search(r"\.[*+]", re.sub(r"\[[^]]*\]", "", arguments))
            re.compile(arguments)
        else:
            assert arguments and not set(arguments) & set("*?[")


def test_sudo_takes_the_rules(tmp_path: Path) -> None:
    visudo = shutil.which("visudo", path="/usr/sbin:/usr/bin")
    if visudo is None:
        pytest.skip("visudo (Debian: sudo) is missing")
    rules = [rule for action in actions().values() for rule in sudo_rules(action)]
    file = tmp_path / "sudoers"
    file.write_text("".join(f"ops ALL=(root) NOPASSWD: {rule}\n" for rule in rules))
    file.chmod(0o440)
    done = subprocess.run([visudo, "-cf", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

"""Lines of sudoers: what sudo itself makes of them, and what they warn of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

import watchfloor
from agents.action import actions
from tests.support import parts
from watchfloor import sudoers
from watchfloor.commands.doctor import doctor

_TRICKY: Mapping[str, Sequence[str]] = {
    "set_power_limit": ("/usr/bin/nvidia-smi ^-i GPU-[0-9a-f-]+(,GPU-[0-9a-f-]+)* -pl [0-9]{2,4}$",),
    "reboot-node": ("/usr/bin/systemctl reboot", "/usr/sbin/reboot"),
    "odd": ("/usr/bin/tool a=b,c:d", "/usr/bin/tool ^one#two=3,4:5$", "/usr/bin/with,comma x"),
    "set-mig": ("/usr/bin/nvidia-smi ^mig -i GPU-[0-9a-f-]+ -cgi [0-9a-z.+,-]+ -C$",),
    "reads": (),
}


def _accepted(text: str, folder: Path) -> None:
    file = folder / "sudoers"
    file.write_text(text)
    visudo = parts.program("visudo", "sudo")
    done = subprocess.run([visudo, "-c", "-s", "-f", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout


def test_visudo_accepts_them(tmp_path: Path) -> None:
    _accepted(sudoers.text(_TRICKY), tmp_path)


def test_visudo_accepts_what_the_actions_want(tmp_path: Path) -> None:
    rules = {name: getattr(action, "sudo_rules", ()) for name, action in actions().items()}
    _accepted(sudoers.text(rules), tmp_path)
    careful = {rule: warned for its in rules.values() for rule in its if (warned := sudoers.warnings(rule))}
    assert not careful


def test_sets_and_bounds_are_what_a_careful_rule_has() -> None:
    assert [rule for its in _TRICKY.values() for rule in its if sudoers.warnings(rule)] == []


def test_a_program_alone_may_be_run_without_arguments_alone() -> None:
    lines = sudoers.text(_TRICKY).splitlines()
    assert '    /usr/sbin/reboot ""' in lines and "    /usr/bin/systemctl reboot, \\" in lines
    assert r"    /usr/bin/tool a\=b\,c\:d, \ "[:-1] in lines and r"    /usr/bin/tool ^one\#two=3,4:5$, \ "[:-1] in lines
    assert "%watchfloor ALL=(root) NOPASSWD: WATCHFLOOR_ODD, \\" in lines and "READS" not in " ".join(lines)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("nvidia-smi -L", "the whole path"),
        ("/usr/bin/nvidia-smi -i * -pl 300", "match across words"),
        ("/usr/bin/systemctl restart vllm@[0-9].service", "match across words"),
        ("/opt/*/bin/tool x", "a pattern of programs"),
        ("/usr/bin/nvidia-smi ^-i .* -pl [0-9]+$", "matches blanks"),
        ("/usr/bin/nvidia-smi ^-i [^;]+$", "matches blanks"),
        ("/usr/bin/nvidia-smi ^-i [0-9]+", "ends with"),
        ("/usr/bin/nvidia-smi ^-i [0-9 a-f]+$", "a set with a blank"),
        ("/usr/bin/nvidia-smi ^-i [[:print:]]+$", "a class as broad"),
    ],
)
def test_what_lets_through_more_than_it_seems_is_named(rule: str, words: str) -> None:
    (warning,) = sudoers.warnings(rule)
    assert words in warning
    assert f"# careful, act: {warning}: {rule}" in sudoers.text({"act": [rule]}).splitlines()


def test_the_doctor_prints_them(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    joint = SimpleNamespace(rules_of_sudo=lambda: _TRICKY)
    monkeypatch.setitem(sys.modules, "watchfloor.acting", joint)
    monkeypatch.setattr(watchfloor, "acting", joint, raising=False)
    assert doctor(sudoers=True) == 0
    assert capsys.readouterr().out == sudoers.text(_TRICKY)
    joint.rules_of_sudo = dict
    doctor(sudoers=True)
    assert "No action wants anything" in capsys.readouterr().out

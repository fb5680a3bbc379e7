"""What goes to a node: an archive that old Pythons read, with no more of pynvml than is used, and all of that."""

from __future__ import annotations

import ast
import ctypes
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import types
import zlib
from pathlib import Path

import pynvml
import pytest

from collectors import archive, payload
from collectors.probe import nvidia_gpm
from collectors.probe.nvml_fields import _FIELD, FieldBatch
from watchfloor.report import Fault, Hello, decode

USED = re.compile(r"nvml[A-Z]\w+|NVML_\w+")


@pytest.mark.parametrize("path", sorted(archive.PROBE_FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_the_probe_is_python_3_6(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 6))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    beyond = {name for name in imported if name} - set(sys.stdlib_module_names) - {"pynvml", "psutil"}
    assert not beyond
    assert not imported & {"dataclasses", "contextvars", "__future__"}  # newer than 3.6


def sent() -> dict[str, str]:
    """Module name on the node -> source, as it is sent."""
    return json.loads(zlib.decompress(archive.archive()))


def named() -> set[str]:
    """What could be a name of pynvml's, of all names and texts in the probe."""
    words = {
        node.attr if isinstance(node, ast.Attribute) else node.value
        for path in archive.PROBE_FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    }
    return {str(word) for word in words if USED.fullmatch(str(word))} - {"nvmlReturn"}  # a field of a structure


def pruned_pynvml() -> types.ModuleType:
    module = types.ModuleType("pruned_pynvml")
    sys.modules[module.__name__] = module  # it looks itself up there
    exec(compile(sent()["pynvml"], "pynvml", "exec"), module.__dict__)
    return module


def test_all_of_pynvml_that_the_probe_names_is_there_and_the_same() -> None:
    module = pruned_pynvml()
    names = {name for name in named() if hasattr(pynvml, name)}
    assert len(names) > 40
    for name in names:
        full, kept = getattr(pynvml, name), getattr(module, name)
        if isinstance(full, types.FunctionType):
            assert _code(full) == _code(kept), name
        elif not isinstance(full, type):
            assert full == kept, name


def _code(function: types.FunctionType) -> bytes:
    return inspect.unwrap(function).__code__.co_code


def test_every_call_of_the_probe_exists_in_pynvml() -> None:
    """A name that pynvml doesn't have would be an AttributeError on the first node with a GPU."""
    names = named()
    assert {"nvmlInit", "nvmlDeviceGetNvLinkState", "nvmlDeviceGetUUID"} <= names
    library = Path(pynvml.__file__).read_text()  # a call that is bound directly is one that pynvml binds too
    assert [name for name in names if not hasattr(pynvml, name) and f'"{name}"' not in library] == []


def test_error_classes_survive_the_pruning() -> None:
    module = pruned_pynvml()
    with pytest.raises(module.NVMLError_GpuIsLost):
        raise module.NVMLError(module.NVML_ERROR_GPU_IS_LOST)
    assert str(module.NVMLError(module.NVML_ERROR_NO_PERMISSION)) == "Insufficient Permissions"


def test_the_archive_is_small() -> None:
    assert len(payload.payload()) < 130_000  # far below what one SSH window of 2 MB carries at once
    assert len(sent()["pynvml"]) < 80_000


@pytest.mark.parametrize("name", sorted(archive.read_modules()))
def test_what_is_sent_is_the_code_without_its_words(name: str) -> None:
    source, slim = archive.read_modules()[name], sent()[name]
    assert _without_words(ast.parse(slim)) == _without_words(ast.parse(source))
    assert len(slim.splitlines()) <= len(source.splitlines())


def _without_words(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    return ast.dump(tree)


def test_slimming_spares_texts_that_look_like_comments() -> None:
    source = 'A = """\n# kept\n"""\n\n# gone\ndef f():\n    """Gone."""\n\nB = f()  # a word\n'
    assert archive.slimmed(source) == 'A = """\n# kept\n"""\n\n\ndef f():\n    pass\n\nB = f()'


def test_types_go_and_lines_stay() -> None:
    source = "def f(ü: 'list[int]', *, b: int = 3, **c: str) -> 'set | None':\n    d: int = b  # ü\n    return ü, c, d"
    assert archive.slimmed(source) == "def f(ü, *, b = 3, **c):\n    d: int = b\n    return ü, c, d"
    apart = "def f(\n    a: dict[\n        int, str\n    ],\n) -> dict[\n    int, str\n]:\n    return a\n"
    assert archive.slimmed(apart) == apart.rstrip()


def test_the_archive_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = archive.archive.__wrapped__()
    (kept,) = (tmp_path / "watchfloor").iterdir()
    assert kept.read_bytes() == first
    monkeypatch.setattr(archive, "build", lambda modules, library: pytest.fail("it was made again"))
    assert archive.archive.__wrapped__() == first


@pytest.mark.parametrize("bytes_left", [0, 1_000])
def test_an_archive_that_was_torn_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_left: int
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = archive.archive.__wrapped__()
    (kept,) = (tmp_path / "watchfloor").iterdir()
    kept.write_bytes(first[:bytes_left])
    assert archive.archive.__wrapped__() == first
    assert kept.read_bytes() == first


def test_an_archive_of_another_version_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "watchfloor").mkdir()
    (tmp_path / "watchfloor" / "probe-older").write_bytes(b"x")
    archive.archive.__wrapped__()
    assert len(list((tmp_path / "watchfloor").iterdir())) == 1


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "watchfloor").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert archive.archive.__wrapped__() == archive.archive()


def test_pruning_follows_names_and_keeps_order() -> None:
    library = "A = 1\nB = A + 1\nC = 3\ndef f():\n    return B\n@f\ndef g():\n    pass\nprint(C)\n"
    assert archive.pruned(library, "f()") == "A = 1\nB = A + 1\nC = 3\ndef f():\n    return B\nprint(C)"
    assert "@f\ndef g" in archive.pruned(library, "x.g")


def test_pruning_takes_along_only_the_imports_that_are_used() -> None:
    library = "from m import *\nimport os.path\nimport sys as s\nfrom n import q\ndef f():\n    return os.sep, s\n"
    assert archive.pruned(library, "f()") == library.replace("from n import q\n", "").strip()
    assert "find_library" not in sent()["pynvml"]


def test_the_command_survives_any_login_shell() -> None:
    for char in "'!\\":
        assert char not in payload.BOOTSTRAP
    assert payload.COMMAND.count("'") == 2 and "\n" not in payload.COMMAND and "!" not in payload.COMMAND


SHELLS = [shell for shell in ("sh", "bash", "dash", "csh", "tcsh", "fish", "zsh", "ksh") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_starts_the_probe_under(shell: str) -> None:
    lines = _run([shell, "-c", payload.COMMAND], payload.payload())
    assert isinstance(lines[0], Hello) and lines[0].probe == payload.DIGEST


def _run(command: list[str], data: bytes) -> list:
    """The lines of a probe that is told to go away at once."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PATH": path}, bufsize=0
    )
    assert process.stdin is not None and process.stdout is not None
    with process:
        process.stdin.write(data)
        first = decode(process.stdout.readline())
        process.stdin.close()
        return [first, *(decode(line) for line in process.stdout)]


def test_nothing_is_left_on_the_node(tmp_path: Path) -> None:
    python = [sys.executable, "-IBSu", "-c", payload.BOOTSTRAP]
    process = subprocess.Popen(
        python, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, env={"HOME": str(tmp_path)}, bufsize=0
    )
    assert process.stdin is not None and process.stdout is not None
    with process:
        process.stdin.write(payload.payload())
        process.stdout.readline()
        process.stdin.close()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_archive_is_not_run() -> None:
    data = bytearray(payload.payload())
    data[-5] ^= 1
    assert _run([sys.executable, "-IBSu", "-c", payload.BOOTSTRAP], bytes(data)) == [
        Fault("the archive of the probe was damaged on its way")
    ]


def test_an_old_python_says_so(tmp_path: Path) -> None:
    """The bootstrap under a version that it refuses: pretended, since none so old is at hand."""
    program = "import sys, collections\nsys.version_info = (3, 5, 2)\n" + payload.BOOTSTRAP
    lines = _run([sys.executable, "-IBSu", "-c", program], payload.payload())
    assert lines == [Fault("python3 of this node is 3.5; the probe needs 3.6 or newer")]


def test_an_unknown_line_of_the_console_ends_the_probe_with_a_word() -> None:
    lines = _run([sys.executable, "-IBSu", "-c", payload.BOOTSTRAP], payload.payload() + b"nonsense\n")
    faults = [line for line in lines if isinstance(line, Fault)]
    assert [fault.text for fault in faults] == ["not a line of the console: b'nonsense'"]


def test_the_consoles_lines() -> None:
    assert json.loads(payload.settings_line(1.0, 0.37, 60)) == {
        "t": "settings",
        "period": 1.0,
        "delay": 0.37,
        "full_every": 60,
    }
    assert json.loads(payload.ping_line(7)) == {"t": "ping", "id": 7}
    assert json.loads(payload.full_line()) == {"t": "full"}


def test_a_world_can_be_put_in_place_of_the_node() -> None:
    """How the simulator runs the real probe: the bootstrap with a global WORLD."""
    program = f"""
import sys
sys.path.insert(0, {str(archive.PROBE_FOLDER.parent.parent)!r})
from collectors import archive, payload
from collectors.probe.world import World
class Elsewhere(World):
    def hostname(self):
        return "elsewhere"
exec(payload.BOOTSTRAP, {{"WORLD": Elsewhere()}})
"""
    lines = _run([sys.executable, "-c", program], payload.payload())
    assert isinstance(lines[0], Hello) and lines[0].node == "elsewhere"


def test_field_layout_is_pynvmls() -> None:
    """FieldBatch reads the structure by offsets: they are those of the real one."""
    structure = pynvml.c_nvmlFieldValue_t
    assert ctypes.sizeof(structure) == _FIELD.size
    assert (structure.nvmlReturn.offset, structure.valueType.offset, structure.value.offset) == (28, 24, 32)
    assert FieldBatch(pynvml, None, []).values() == []


def test_gpm_layout_is_pynvmls() -> None:
    structure = pynvml.c_nvmlGpmMetric_t
    assert ctypes.sizeof(structure) * len(nvidia_gpm._METRICS) == nvidia_gpm._ANSWERS.size
    assert (structure.nvmlReturn.offset, structure.value.offset) == (4, 8)

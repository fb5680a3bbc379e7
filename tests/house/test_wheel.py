"""The program starts from a wheel, from a checkout and in spawned children, whatever else is installed beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.parts import ROOT
from watchfloor import __version__

_NAMESAKES = ("agents", "playbooks", "tui", "collectors")

_SHOW = """
import runpy, sys
from watchfloor.__main__ import put_rooms_first
import watchfloor
from pathlib import Path
put_rooms_first(Path(watchfloor.__file__).resolve().parent, sys.path)
import agents, collectors, playbooks, tui
print(*(Path(room.__file__).parent for room in (agents, collectors, playbooks, tui)), sep="\\n")
"""

_SPAWN = """
import multiprocessing, sys
from pathlib import Path
import watchfloor
from watchfloor.__main__ import put_rooms_first
from multiprocessing import get_context
if __name__ == "__main__":
    put_rooms_first(Path(watchfloor.__file__).resolve().parent, sys.path)
    from collectors import payload
    with get_context("spawn").Pool(1) as pool:
        print(pool.apply(payload.payload) == payload.payload())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without the network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture
def site(wheel: Path, tmp_path: Path) -> Path:
    """The wheel as installed, with strangers' packages of the same names in the same folder."""
    folder = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for name in _NAMESAKES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise ImportError('a stranger of the same name')\n")
    return folder


def _run(folder: Path, *command: str, path: Path) -> str:
    """Run this interpreter somewhere else, with `path` as the only addition; returns its output."""
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_rooms_apart_and_their_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        entry_points = next(archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    top = {name.split("/")[0] for name in names}
    assert top == {"watchfloor", f"watchfloor-{__version__}.dist-info"}
    assert "watchfloor = watchfloor.__main__:main" in entry_points
    for path in ("_app/tui/app.tcss", "schemas/fleet.schema.json", "schemas/snapshot.schema.json"):
        assert f"watchfloor/{path}" in names
    code = {
        str(path.relative_to(ROOT)).replace(os.sep, "/")
        for room in ("watchfloor", *_NAMESAKES)
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name.removeprefix("watchfloor/_app/") for name in names}
    assert code <= packed, f"not in the wheel: {sorted(code - packed)}"


def test_the_wheel_runs_beside_namesakes(site: Path, tmp_path: Path) -> None:
    assert _run(tmp_path, "-m", "watchfloor", "--version", path=site) == f"{__version__}\n"
    rooms = _run(tmp_path, "-c", _SHOW, path=site).split()
    assert rooms == [str(site / "watchfloor" / "_app" / name) for name in sorted(_NAMESAKES)]


def test_children_of_the_wheel_find_the_rooms(site: Path, tmp_path: Path) -> None:
    script = tmp_path / "spawn.py"
    script.write_text(_SPAWN)
    assert _run(tmp_path, str(script), path=site) == "True\n"


def test_a_bare_checkout_runs_beside_namesakes(tmp_path: Path) -> None:
    for name in _NAMESAKES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('a stranger of the same name')\n")
    assert _run(tmp_path, "-m", "watchfloor", "--version", path=ROOT) == f"{__version__}\n"
    rooms = _run(tmp_path, "-c", _SHOW, path=ROOT).split()
    assert rooms == [str(ROOT / name) for name in sorted(_NAMESAKES)]

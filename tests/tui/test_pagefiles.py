"""Pages are known by their files and loaded when they are opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import tui.screens
from tui.pages import keys, load


def test_what_is_read_of_a_page_is_what_it_is() -> None:
    assert keys()
    for name, key in keys().items():
        page = load(name)
        assert (page.slug, page.key) == (name, key)


def test_every_module_of_the_folder_is_a_page() -> None:
    assert set(keys()) == {file.stem for file in Path(tui.screens.__path__[0]).glob("[!_]*.py")}


def test_no_page_is_loaded_before_it_is_opened() -> None:
    code = "import sys, tui.app; sys.exit(any(name.startswith('tui.screens.') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""The probe as one compressed archive: its modules, and what they use of pynvml. Nothing that only people read.

Parsing half a megabyte of Python takes a third of a second, so the archive is kept in the user's cache folder, under
the digest of all that it is made of; where that can't be written to, it is made anew at each start.
Must not do: send or run it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import json
import os
import tokenize
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

PROBE_FOLDER = Path(__file__).parent / "probe"
LIBRARY = "pynvml"
_FORMAT = b"1"  # of the archive: another one is another digest


@cache
def archive() -> bytes:
    """The archive of this version of the probe."""
    modules, library = read_modules(), _source_of(LIBRARY)
    kept = _kept_at(cache_folder(os.environ), modules, library)
    with suppress(OSError):
        if kept.stat().st_uid == os.getuid() and _whole(found := kept.read_bytes()):  # nobody else's bytes go to nodes
            return found
    made = build(modules, library)
    with suppress(OSError):
        _keep(kept, made)
    return made


def build(modules: Mapping[str, str], library: str) -> bytes:
    """Compressed JSON: module name on the node -> source."""
    users = "\n".join(text for text in modules.values() if "nvml" in text.lower())
    sources = {**modules, LIBRARY: pruned(library, users)}
    slim = {name: slimmed(text) for name, text in sources.items()}
    return zlib.compress(json.dumps(slim, separators=(",", ":")).encode(), 9)


def read_modules() -> dict[str, str]:
    """Module name on the node -> source as it stands."""
    return {_module_name(path): path.read_text("utf-8") for path in sorted(PROBE_FOLDER.glob("*.py"))}


def _module_name(path: Path) -> str:
    return "probe" if path.stem == "__init__" else f"probe.{path.stem}"


def _source_of(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ImportError(f"{module} is not installed beside watchfloor")
    return Path(spec.origin).read_text("utf-8")


# -- the cache


def cache_folder(env: Mapping[str, str]) -> Path:
    """Where what can be made again is kept (XDG base directory specification)."""
    base = env.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "watchfloor"


def _kept_at(folder: Path, modules: Mapping[str, str], library: str) -> Path:
    digest = hashlib.sha256(_FORMAT + Path(__file__).read_bytes())
    for text in (*modules.keys(), *modules.values(), library):
        digest.update(hashlib.sha256(text.encode()).digest())
    return folder / f"probe-{digest.hexdigest()[:32]}"


def _whole(data: bytes) -> bool:
    """A file may be empty or torn where the machine lost power: its sum says so."""
    try:
        zlib.decompress(data)
    except zlib.error:
        return False
    return True


def _keep(path: Path, data: bytes) -> None:
    """Whole or not at all, and alone: archives of other versions go."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(data)
    part.replace(path)
    for other in path.parent.glob("probe-*"):
        if other != path and "." not in other.name:
            other.unlink(missing_ok=True)


# -- what goes into it


def slimmed(source: str) -> str:
    """The same code without docstrings, comments and types; every line keeps its number, for the traces of errors."""
    tree, lines = ast.parse(source), [line.encode() for line in source.splitlines()]
    for annotation, line, before in sorted(_annotations(tree, lines), key=lambda found: found[1:], reverse=True):
        lines[line - 1] = lines[line - 1][:before] + lines[line - 1][annotation.end_col_offset :]
    for node in _documented(tree):
        text = node.body[0]
        lines[text.lineno - 1 : text.end_lineno] = [b""] * ((text.end_lineno or 0) - text.lineno + 1)
        if len(node.body) == 1:
            lines[text.lineno - 1] = b" " * text.col_offset + b"pass"
    return _uncommented(b"\n".join(lines).decode())


def _uncommented(source: str) -> str:
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "\n".join(lines)


def _annotations(tree: ast.Module, lines: list[bytes]) -> Iterator[tuple[ast.expr, int, int]]:
    """Of functions, those that stand on one line: each with its line and the column (in bytes) from which it goes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            if node.annotation.end_lineno == node.lineno:
                yield node.annotation, node.lineno, node.col_offset + len(node.arg.encode())
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            line, place = node.returns.lineno, node.returns.col_offset
            if node.returns.end_lineno == line and (arrow := lines[line - 1].rfind(b" ->", 0, place)) >= 0:
                yield node.returns, line, arrow


def _documented(tree: ast.Module) -> list[ast.Module | ast.ClassDef | ast.FunctionDef]:
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    return [node for node in nodes if ast.get_docstring(node, clean=False) is not None]


def pruned(library: str, user: str) -> str:
    """The top-level statements of `library` that `user` reaches, by name, directly or through other statements.

    Compiling the whole of pynvml would cost the node 80 ms, and an import that nobody uses (ctypes.util, with all that
    it imports itself) another 8. Kept as they stand, in their order; statements that bind no name of their own (calls,
    `from ctypes import *`) always stay, and so does every error code, from which the error classes are made.
    """
    statements = ast.parse(library).body
    binds = [_bound(statement) for statement in statements]
    where: dict[str, list[int]] = {}
    for index, names in enumerate(binds):
        for name in names:
            where.setdefault(name, []).append(index)
    roots = _words(ast.parse(user)) | {name for name in where if name.startswith("NVML_ERROR_")}
    kept = {index for index, names in enumerate(binds) if not names}
    waiting = [*kept, *(index for name in roots for index in where.get(name, ()))]
    while waiting:
        index = waiting.pop()
        if index in kept and binds[index]:
            continue
        kept.add(index)
        waiting += [other for name in _words(statements[index]) for other in where.get(name, ()) if other not in kept]
    lines = library.splitlines()
    return "\n".join(_text(statements[index], lines) for index in sorted(kept))


def _bound(statement: ast.stmt) -> set[str]:
    """Names that a top-level statement gives a meaning to; none for calls."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(name.asname or name.name).partition(".")[0] for name in statement.names} - {"*"}
    if isinstance(statement, ast.Assign):
        return {node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return set()


def _words(tree: ast.AST) -> set[str]:
    """Every identifier within: names, attributes and texts that could be one (getattr)."""
    words = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            words.add(node.value)
    return words


def _text(statement: ast.stmt, lines: list[str]) -> str:
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(lines[first - 1 : statement.end_lineno])

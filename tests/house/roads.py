"""What a source can start a program or open a channel with, found by its names: however it imports or calls them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

# modules any use of which is a road, but for these names of theirs
_MODULES: dict[str, frozenset[str]] = {
    "subprocess": frozenset({"CompletedProcess", "DEVNULL", "TimeoutExpired"}),
    "socket": frozenset(
        {"gethostname", "getaddrinfo", "gaierror", "timeout", "inet_ntoa", "AF_INET", "AF_INET6", "SOCK_STREAM"}
    ),
    "ctypes": frozenset({"byref", "cast", "create_string_buffer", "c_uint", "c_ulonglong", "c_void_p"}),
    "http": frozenset({"HTTPStatus", "HTTPMethod"}),
    "urllib": frozenset({"parse", "error"}),
    "asyncio.subprocess": frozenset({"PIPE", "DEVNULL", "Process"}),
    "concurrent.futures": frozenset({"Executor", "ThreadPoolExecutor", "Future"}),
    **dict.fromkeys(
        (
            "pty", "multiprocessing", "_ctypes", "cffi", "posix", "_posixsubprocess", "_socket", "pexpect",
            "asyncssh", "paramiko", "fabric", "socketserver", "xmlrpc", "ftplib", "smtplib", "imaplib", "poplib",
            "telnetlib", "requests", "httpx", "aiohttp", "urllib3", "websockets", "grpc", "zmq", "webbrowser",
            "kubernetes", "kubernetes_asyncio",
        ),
        frozenset[str](),
    ),
}  # fmt: skip
# names that are a road wherever they are met: of os, of asyncio, and of an object that nobody can tell the kind of
_OS = (
    "system", "popen", "kill", "killpg", "fork", "forkpty", "posix_spawn", "posix_spawnp", "startfile", "pidfd_open",
    *(f"exec{kind}" for kind in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    *(f"spawn{kind}" for kind in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
)  # fmt: skip
_ASYNCIO = (
    "create_subprocess_exec", "create_subprocess_shell", "open_connection", "open_unix_connection", "start_server",
    "start_unix_server",
)  # fmt: skip
_METHODS = frozenset({
    "subprocess_exec", "subprocess_shell", "create_subprocess_exec", "create_subprocess_shell", "create_connection",
    "create_unix_connection", "create_datagram_endpoint", "create_server", "create_unix_server", "connect_ssh",
    "create_session", "create_process", "open_session", "start_sftp_client", "sock_connect", "open_connection",
    "open_unix_connection", "forkpty", "posix_spawn", "posix_spawnp", "urlopen",
})  # fmt: skip
_NAMED = frozenset(
    {f"os.{name}" for name in _OS} | {f"asyncio.{name}" for name in _ASYNCIO} | {"signal.pidfd_send_signal"}
)
_OWNERS = ("os", "asyncio", "signal")  # whose names may not be asked for by a computed name, nor all at once
_IMPORTING = frozenset({"__import__", "importlib.import_module", "importlib.__import__"})


def roads(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, dotted name) of each use of a road."""
    nodes = [*ast.walk(tree)]
    names = _imported(nodes)
    found = {*_by_imports(nodes), *_by_names(nodes, names), *_by_words(nodes, names)}
    return sorted(found)


def _imported(nodes: Sequence[ast.AST]) -> dict[str, str]:
    """What each name that an import binds stands for, dotted, and each plain name that such a name is given to."""
    names: dict[str, str] = {}
    for node in nodes:
        match node:
            case ast.Import():
                for alias in node.names:
                    names[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            case ast.ImportFrom(module=str(module), level=0):
                names.update({alias.asname or alias.name: f"{module}.{alias.name}" for alias in node.names})
            case _:
                pass
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=known)) if known in names:
                names.setdefault(name, names[known])
            case _:
                pass
    return names


def _by_imports(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    for node in nodes:
        match node:
            case ast.ImportFrom(module=str(module), level=0):
                for alias in node.names:
                    whole = alias.name == "*" and module in (*_OWNERS, *_MODULES)
                    if whole or alias.name in _METHODS or _is_road(f"{module}.{alias.name}"):
                        yield node.lineno, f"{module}.{alias.name}"
            case ast.Import():
                yield from ((node.lineno, alias.name) for alias in node.names if _is_road(alias.name, bare=False))
            case _:
                pass


def _by_names(nodes: Sequence[ast.AST], names: dict[str, str]) -> Iterator[tuple[int, str]]:
    owners = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if not isinstance(node, ast.Attribute | ast.Name) or isinstance(node.ctx, ast.Store):
            continue
        dotted = _dotted(node, names)
        if dotted and _is_road(dotted, bare=id(node) not in owners):
            yield node.lineno, dotted
        elif isinstance(node, ast.Attribute) and node.attr in _METHODS:
            yield node.lineno, f"*.{node.attr}"


def _by_words(nodes: Sequence[ast.AST], names: dict[str, str]) -> Iterator[tuple[int, str]]:
    """A module that is imported by its name's text, and a name that is asked for by its text."""
    for node in nodes:
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = _dotted(node.func, names) or (node.func.id if isinstance(node.func, ast.Name) else "")
        word = node.args[0]
        if called in _IMPORTING and isinstance(word, ast.Constant) and _imports_road(str(word.value)):
            yield node.lineno, str(word.value)
        if called in ("exec", "eval"):
            yield node.lineno, called
        if isinstance(node.func, ast.Attribute) and node.func.attr == "run" and _is_line(word):
            yield node.lineno, "*.run of a text"  # as a connection does it on a node
        if called in ("getattr", "vars") and _dotted(word, names) in _OWNERS:
            yield node.lineno, f"{called} of {_dotted(word, names)}"


def _is_line(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _imports_road(module: str) -> bool:
    return module in _OWNERS or module.split(".", maxsplit=1)[0] in _MODULES


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    """Of a name or a chain of attributes what it stands for; empty where it begins at no import."""
    match node:
        case ast.Name(id=name):
            return names.get(name, "")
        case ast.Attribute(value=value, attr=attr):
            owner = _dotted(value, names)
            return f"{owner}.{attr}" if owner else ""
        case _:
            return ""


def _is_road(dotted: str, *, bare: bool = True) -> bool:
    """`bare`: the name stands by itself, so a whole module is handed on, to be asked for anything."""
    if dotted in _NAMED:
        return True
    for module, harmless in _MODULES.items():
        if dotted == module:
            return bare
        if dotted.startswith(f"{module}."):
            return dotted[len(module) + 1 :].split(".", maxsplit=1)[0] not in harmless
    return False

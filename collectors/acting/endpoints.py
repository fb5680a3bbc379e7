"""`endpoints.yaml` -> where requests of a name go: webhooks, ticket systems, inference servers. No secret stands in it.

tickets:
  url_file: ~/.config/watchfloor/tickets.url        # or url, or url_env
  header_files: {Authorization: ~/.config/watchfloor/tickets.token}
  ca_file: /etc/ssl/our-ca.pem
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from collectors.acting.http import Endpoint
from watchfloor.config import Item, load

_NAME = re.compile(r"[a-z][\w-]{0,63}")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_VARIABLE = re.compile(r"[A-Za-z_]\w*")
_ADDRESSES = ("url", "url_file", "url_env")
_KEYS = (*_ADDRESSES, "headers", "header_files", "header_env", "ca_file")
_SECRET_HEADERS = re.compile(r"auth|token|key|secret|cookie|password", re.IGNORECASE)


def read_endpoints(path: Path) -> dict[str, Endpoint]:
    """Nothing where there is no file. Raises ConfigError, with file, line and column."""
    return {name: _endpoint(name, item) for name, item in load(path).entries().items()} if path.exists() else {}


def _endpoint(name: str, item: Item) -> Endpoint:
    if not _NAME.fullmatch(name):
        item.fail(f"{name!r} is no name of an endpoint", "small letters, digits, - and _")
    section = item.section(_KEYS)
    if sum(key in section.entries for key in _ADDRESSES) != 1:
        item.fail(f"{item.named} needs one address", "url, or url_file or url_env where the address is a secret")
    return Endpoint(
        url=section.get("url", _url) or "",
        url_file=section.get("url_file", _file) or "",
        url_env=section.get("url_env", _variable) or "",
        headers=section.get("headers", _plain_headers) or {},
        header_files=section.get("header_files", lambda of: _headers(of, "file")) or {},
        header_env=section.get("header_env", lambda of: _headers(of, "env")) or {},
        ca_file=section.get("ca_file", _file) or "",
    )


def _url(item: Item) -> str:
    url = item.text()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or not url.isprintable():
        item.fail(f"{item.named} is no address", "as in https://tickets.example/api")
    if parts.username or parts.password:
        item.fail(f"{item.named} has a user in it", "header_files with Authorization keeps it out of this file")
    return url


def _file(item: Item) -> str:
    path = Path(item.text()).expanduser()
    if not path.is_absolute():
        item.fail(f"{item.named} is no whole path", "it begins with / or ~/")
    return str(path)


def _variable(item: Item) -> str:
    if not _VARIABLE.fullmatch(item.text()):
        item.fail(f"{item.named} is no name of a variable")
    return item.text()


def _headers(item: Item, kind: str) -> dict[str, str]:
    read = {"file": _file, "env": _variable, "text": _header_text}[kind]
    for name, value in item.entries().items():
        if not _HEADER.fullmatch(name):
            value.fail(f"{name!r} is no name of a header")
    return {name: read(value) for name, value in item.entries().items()}


def _plain_headers(item: Item) -> dict[str, str]:
    for name, value in item.entries().items():
        if _SECRET_HEADERS.search(name):
            value.fail(f"{value.named} looks like a secret", "header_files or header_env says where it is kept")
    return _headers(item, "text")


def _header_text(item: Item) -> str:
    if not item.text().isprintable() or not item.text().isascii():
        item.fail(f"{item.named} is no value of a header")
    return item.text()

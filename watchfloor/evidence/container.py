"""The file of a bundle: a zip whose every byte follows from its members, so that none can change unnoticed.

Members are stored as they are, in the order of their names, with one date for all. So there is nothing to unpack that
could be larger than the file, and what isn't exactly as it would be written here was changed by somebody. Pure.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping

MOST_MEMBERS = 4_096
MOST_BYTES = 512 * 2**20  # of the whole file
_DATE = (1980, 1, 1, 0, 0, 0)
_PRIVATE = 0o100600 << 16
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:+~-]{0,150}(/[A-Za-z0-9_][A-Za-z0-9_.@:+~-]{0,150}){0,3}\Z")

Members = Mapping[str, bytes]


class NotABundle(Exception):
    """It can't be read at all, or isn't read because it isn't safe to."""


def packed(members: Members) -> bytes:
    """Raises ValueError for names or sizes that nobody would read."""
    for name in members:
        if not _NAME.match(name):
            raise ValueError(f"{name!r} is no name of a member")
    if len(members) > MOST_MEMBERS or sum(map(len, members.values())) > MOST_BYTES:
        raise ValueError("too much for one bundle")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system, info.external_attr = 3, _PRIVATE
            archive.writestr(info, members[name])
    return file.getvalue()


def unpacked(data: bytes) -> tuple[dict[str, bytes], str]:
    """The members, and what of the container isn't as it was packed ("": nothing). Raises NotABundle.

    Nothing is written anywhere; a member's bytes are given as they are, whatever its checksum says.
    """
    if len(data) > MOST_BYTES + 2**20:
        raise NotABundle(f"it has {len(data)} bytes; no bundle has so many")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = _members(archive, data)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, IndexError, OSError, EOFError) as error:
        raise NotABundle(f"it is no zip that can be read: {error}") from error
    return members, "" if packed(members) == data else "its bytes aren't those that these members are packed to"


def _members(archive: zipfile.ZipFile, data: bytes) -> dict[str, bytes]:
    listed = archive.infolist()
    if len(listed) > MOST_MEMBERS:
        raise NotABundle(f"it has {len(listed)} members; no bundle has so many")
    members: dict[str, bytes] = {}
    for info in listed:
        _check(info, members)
        start = info.header_offset + 30 + len(info.orig_filename.encode())  # a local header without extra fields
        members[info.filename] = data[start : start + info.file_size]
    if sum(map(len, members.values())) > len(data):
        raise NotABundle("its members lie over one another")
    return members


def _check(info: zipfile.ZipInfo, known: Members) -> None:
    """Raises NotABundle for what is never packed here."""
    shown = ascii(info.orig_filename)
    if info.orig_filename != info.filename or not _NAME.match(info.filename):
        raise NotABundle(f"it isn't safe to read: a member is called {shown}")
    if info.filename in known:
        raise NotABundle(f"it isn't safe to read: {shown} is in it twice")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise NotABundle(f"it isn't safe to read: {shown} is packed otherwise than bundles are")
    if info.flag_bits & 1 or info.external_attr != _PRIVATE:
        raise NotABundle(f"it isn't safe to read: {shown} is no plain file")

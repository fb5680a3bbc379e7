"""The commit that is checked out where a process works, read off git's own files. No program is run.

Whoever owns the folder decides what lies there: only plain files that this user may read are opened, of each at most
so much, and nothing of them is told but 40 or 64 hex digits. What a repository is made of: gitrepository-layout(5).
"""

import posixpath
import re

from .cells import NOT_PERMITTED_CODE, UNSUPPORTED_CODE, Missing, from_oserror
from .commands import redacted

_SHORT, _PACKED = 4096, 1 << 20  # bytes
_HIGHEST = 24  # folders above the working directory
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = re.compile(r"refs/[A-Za-z0-9_][\w+,=@#/.-]{0,200}")
_NONE = Missing(UNSUPPORTED_CODE, "")
_UNBORN = Missing(UNSUPPORTED_CODE, "its repository has no commit that could be read without git")


class Place:
    """The files that a process sees: `root` is /proc/PID/root, `uid` its user."""

    def __init__(self, world, root: str, uid: int) -> None:
        self._world = world
        self._root = root
        self._uid = uid

    def checkout(self, directory: str) -> "tuple[str, str | Missing]":
        """The folder that is checked out, `directory` or one above, and its commit; ("", reason) where none is."""
        for folder in above(directory):
            try:
                git = self._git_folder(folder)
                if git:
                    return folder, self._commit(git)
            except OSError as error:
                if error.errno in (1, 13):
                    return "", Missing(NOT_PERMITTED_CODE, "%s: %s" % (redacted(folder), error.strerror))
                if error.errno not in (2, 20):  # ENOENT, ENOTDIR
                    return "", Missing(from_oserror(error).code, error.strerror or str(error))
        return "", _NONE

    def _git_folder(self, folder: str) -> str:
        """Where .git is a file, it names the folder: of a worktree or a submodule. "" where it says something else."""
        git = posixpath.join(folder, ".git")
        try:
            told = self._read(git)
        except IsADirectoryError:
            return git
        named = told[8:].strip() if told.startswith("gitdir: ") else ""
        return _beneath(folder, named) if named and len(told) < _SHORT else ""

    def _commit(self, git: str) -> "str | Missing":
        head = self._read(posixpath.join(git, "HEAD")).strip()
        if _COMMIT.fullmatch(head):
            return head
        ref = head[5:] if head.startswith("ref: ") else ""
        if not _REF.fullmatch(ref) or ".." in ref:
            return _UNBORN
        common = self._common(git)
        for folder in dict.fromkeys((git, common)):
            loose = self._optional(posixpath.join(folder, ref), _SHORT).strip()
            if _COMMIT.fullmatch(loose):
                return loose
        return packed(self._optional(posixpath.join(common, "packed-refs"), _PACKED), ref) or _UNBORN

    def _common(self, git: str) -> str:
        """The folder of the repository that a worktree belongs to: its branches are there."""
        named = self._optional(posixpath.join(git, "commondir"), _SHORT).strip()
        return _beneath(git, named) if named else git

    def _read(self, path: str, most: int = _SHORT) -> str:
        return self._world.read_plain(self._root + path, most, self._uid)

    def _optional(self, path: str, most: int) -> str:
        try:
            return self._read(path, most)
        except OSError as error:
            if error.errno in (1, 13):
                raise
            return ""


def above(directory: str) -> "list[str]":
    """A folder and those above it, the innermost first."""
    if not directory.startswith("/"):
        return []
    found = [directory]
    while found[-1] != "/" and len(found) < _HIGHEST:
        found.append(posixpath.dirname(found[-1]))
    return found


def packed(text: str, ref: str) -> str:
    """What packed-refs says of a reference, "" where it doesn't name it."""
    at = text.find(" %s\n" % ref)
    commit = text[:at].rpartition("\n")[2] if at >= 0 else ""
    return commit if _COMMIT.fullmatch(commit) else ""


def _beneath(folder: str, named: str) -> str:
    return posixpath.normpath(posixpath.join(folder, named))

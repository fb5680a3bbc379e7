"""Lines of sudoers for what actions do as root on a node, and where one lets through more than it seems to. Pure.

A rule is a program with its arguments: as they stand, or a regular expression over all of them between ^ and $, which
sudo has since 1.9.10. Older ones take such a line for words, and refuse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

GROUP = "%watchfloor"
_HEAD = """\
# What watchfloor does as root on a node, by `sudo -n`. Put it there with `visudo -f /etc/sudoers.d/watchfloor`, and
# those who act into the group watchfloor. Leave out what shall not be done. Needs sudo 1.9.10 or newer.
"""
_SPECIAL = re.compile(r"([,:=\\])")  # in words; within a regular expression only the pound sign
_SET = re.compile(r"\[[^^\]][^\]]*\]")
_BROAD = (
    (re.compile(r"(?<!\\)\.[*+{]"), "`.` with a repetition matches blanks, and so further options"),
    (re.compile(r"\[\^"), "[^…] matches blanks, and so further options"),
    (re.compile(r"\\[SWD]|\[:print:\]|\[:graph:\]"), "a class as broad as this matches other options"),
)


def text(rules: Mapping[str, Sequence[str]], who: str = GROUP) -> str:
    """A file of sudoers: an alias for each action that wants anything, and one line that allows them all."""
    parts, aliases = [_HEAD], []
    for action, its in sorted(rules.items()):
        if not its:
            continue
        alias = "WATCHFLOOR_" + re.sub(r"\W", "_", action).upper()
        aliases.append(alias)
        careful = [f"# careful, {action}: {warning}: {rule}\n" for rule in its for warning in warnings(rule)]
        parts += [*careful, f"Cmnd_Alias {alias} = \\\n    " + ", \\\n    ".join(map(_line, its)) + "\n"]
    if not aliases:
        return f"{_HEAD}# No action wants anything.\n"
    parts += [f"Defaults!{alias} !requiretty\n" for alias in aliases]
    return "".join(parts) + f"{who} ALL=(root) NOPASSWD: " + ", \\\n    ".join(aliases) + "\n"


def warnings(rule: str) -> list[str]:
    """What is broader in it than it looks, or will not be understood."""
    program, _, arguments = rule.partition(" ")
    found = [] if program.startswith("/") else ["sudo wants the whole path of the program"]
    if re.search(r"[*?\[]", program):
        found.append("a pattern of programs lets through whatever comes to lie there")
    if not arguments.startswith("^"):
        wild = re.search(r"[*?\[]", arguments)
        return [*found, "* and its like match across words, and so further options"] if wild else found
    if not arguments.endswith("$"):
        found.append("a regular expression ends with $")
    if any(" " in chosen for chosen in _SET.findall(arguments)):
        found.append("a set with a blank in it matches further options")
    bare = _SET.sub(lambda chosen: chosen[0] if "[:" in chosen[0] else "x", arguments)
    return found + [why for pattern, why in _BROAD if pattern.search(bare)]


def _line(rule: str) -> str:
    """No arguments in a rule mean none for the command; to sudo they would mean any."""
    program, _, arguments = rule.partition(" ")
    program = _SPECIAL.sub(r"\\\1", program)
    if arguments.startswith("^"):
        return f"{program} " + re.sub(r"(?<!\\)#", r"\\#", arguments)
    return f"{program} " + (_SPECIAL.sub(r"\\\1", arguments) or '""')

"""A process's command line for people: one line, short, without the secrets that ought not to be there. Pure.

Anybody on the node writes command lines: what looks at them must take time in proportion to their length.
"""

import re
from functools import reduce

LONGEST = 256
_LOOKED_AT = 4096  # characters: what is shown comes from there
_HIDDEN = "***"

# the end of a name tells: api_key, --hf-token and PGPASSWORD do, --tokenizer, --max-tokens and --hotkey don't
_SECRET_ENDS = (
    "token secret password passwd passphrase credential credentials apikey accesskey secretkey privatekey authkey _pwd"
).split()
_SECRET_WORDS = ("key", "pwd", "pass")
_FLAG = re.compile(r"^--?([\w.-]+)$")
_NAMED = (
    re.compile(r"^(-{0,2}([\w.-]+)[=:])(.+)$", re.DOTALL),
    # within one word, as in `sh -c "…"`, a query or JSON: name=secret, "name": "secret", --name secret
    re.compile(r"((?<![\w.-])([\w.-]+)=)([^&;,\s]+)"),
    re.compile(r"(['\"]([\w.-]+)['\"]\s*:\s*['\"])([^'\"]+)"),
    re.compile(r"((?<![\w.-])--([\w.-]+)\s+)((?!-)\S+)"),
)
_WITHIN = (
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), r"\1%s@" % _HIDDEN),  # scheme://user:password@host
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 %s" % _HIDDEN),
    (re.compile(r"\b(hf_|sk-|ghp_|gho_|glpat-|xox[abp]-|AKIA|nvapi-)[\w-]{12,}"), r"\1%s" % _HIDDEN),
)


def command_text(cmdline: str, name: str) -> str:
    """`cmdline` as in /proc/PID/cmdline (NUL-separated); a kernel thread has none and goes by its name in brackets."""
    words = cmdline[:_LOOKED_AT].rstrip("\0").split("\0")
    if words == [""]:
        return "[%s]" % name
    line = _shown(words)
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def redacted(text: str) -> str:
    """Any short text on one line, without what looks like a secret."""
    return _shown(text[:_LOOKED_AT].split(" "))


def _shown(words: "list[str]") -> str:
    line = " ".join(_redacted(words))
    for pattern, replacement in _WITHIN:
        line = pattern.sub(replacement, line)
    return "".join(char if char.isprintable() else " " for char in line)


def _redacted(words: "list[str]") -> "list[str]":
    shown, hide = [], False
    for word in words:
        if hide and not word.startswith("-"):
            shown.append(_HIDDEN)
            hide = False
            continue
        shown.append(reduce(_hidden_by, _NAMED, word))
        flag = _FLAG.match(word)
        hide = flag is not None and _is_secret(flag.group(1))
    return shown


def _hidden_by(text: str, pattern) -> str:
    return pattern.sub(_without_value, text)


def _without_value(found) -> str:
    return found.group(1) + _HIDDEN if _is_secret(found.group(2)) else found.group(0)


def _is_secret(name: str) -> bool:
    name = name.lower()
    return name.endswith(tuple(_SECRET_ENDS)) or re.split(r"[-_.]", name)[-1] in _SECRET_WORDS

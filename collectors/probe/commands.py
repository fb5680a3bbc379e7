"""A process's command line for people: one line, short, without the secrets that ought not to be there. Pure."""

import re

LONGEST = 256
_HIDDEN = "***"

# the last word of a name tells: api_key, --hf-token and PASSWORD do, --tokenizer and --max-tokens don't
_SECRET_NAME = r"(?:token|secret|password|passwd|passphrase|credentials?|key)"
_ASSIGNED = re.compile(r"^(-{0,2}(?:[\w.]+[-_.])*%s[=:])(.+)$" % _SECRET_NAME, re.IGNORECASE)
_FLAG = re.compile(r"^--?(?:[\w.]+[-_.])*%s$" % _SECRET_NAME, re.IGNORECASE)
_WITHIN = (
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), r"\1%s@" % _HIDDEN),  # scheme://user:password@host
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 %s" % _HIDDEN),
    (re.compile(r"\b(hf_|sk-|ghp_|gho_|glpat-|xox[abp]-|AKIA|nvapi-)[\w-]{12,}"), r"\1%s" % _HIDDEN),
    (re.compile(r"(?i)([?&;,\s](?:[\w.]+[-_.])*%s=)[^&;,\s]+" % _SECRET_NAME), r"\1%s" % _HIDDEN),
)


def command_text(cmdline: str, name: str) -> str:
    """`cmdline` as in /proc/PID/cmdline (NUL-separated); a kernel thread has none and goes by its name in brackets."""
    words = cmdline.rstrip("\0").split("\0")
    if words == [""]:
        return "[%s]" % name
    line = " ".join(_redacted(words))
    for pattern, replacement in _WITHIN:
        line = pattern.sub(replacement, line)
    line = "".join(char if char.isprintable() else " " for char in line)
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _redacted(words: "list[str]") -> "list[str]":
    shown, hide = [], False
    for word in words:
        if hide and not word.startswith("-"):
            shown.append(_HIDDEN)
            hide = False
            continue
        shown.append(_ASSIGNED.sub(r"\1" + _HIDDEN, word))
        hide = bool(_FLAG.match(word))
    return shown

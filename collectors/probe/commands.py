"""A process's command line for people: one line, short, without the secrets that ought not to be there. Pure."""

from .redact import redact, redact_words

LONGEST = 256
_LOOKED_AT = 4096  # characters: what is shown comes from there


def command_text(cmdline: str, name: str) -> str:
    """`cmdline` as in /proc/PID/cmdline (NUL-separated); a kernel thread has none and goes by its name in brackets."""
    words = cmdline[:_LOOKED_AT].rstrip("\0").split("\0")
    if words == [""]:
        return "[%s]" % name
    line = "".join(char if char.isprintable() else " " for char in redact_words(words))
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def redacted(text: str) -> str:
    """Any short text on one line, without what looks like a secret."""
    return "".join(char if char.isprintable() else " " for char in redact(text[:_LOOKED_AT]))

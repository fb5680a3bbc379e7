"""What a person writes to be kept is kept as it was written; where a secret is in it, it is refused. Pure."""

from __future__ import annotations

from watchfloor.errors import ConfigError
from watchfloor.redact import redact


def refuse_secret(text: str, what: str, keeper: str, file: str = "") -> None:
    """`what` was written ("the reason") and `keeper` would keep it ("the ledger"). Raises ConfigError."""
    if redact(text) != text:
        raise ConfigError(f"{what} looks as if it held a secret", f"{keeper} keeps none", file=file)

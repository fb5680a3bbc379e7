"""The folder of a demo that is acted upon: a ledger, keys of two persons, limits, endpoints. It goes with the demo.

Nothing of the user's own is read or written by who has entered it: state and configuration lie there. Only what is
recorded with --record goes where the user's recordings are, to be shown again when the demo is over; so does, of such a
demo, what its persons record, who make the evidence of both.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from watchfloor.places import config_folder, sessions_folder
from watchfloor.session.folder import KEEP_VARIABLE
from watchfloor.signing import make_key

YOU, COLLEAGUE = "you", "colleague"
FLEET = "fleet.yaml"
_LIMITS = "rack_nodes: 4\ngroup_share: 100%\nhealthy_share: 20%\n"  # a demo is small: one node is a large share of it


def prepare(folder: Path, fleet_text: str, desk_url: str, recordings: str = "") -> None:
    """Make it. `recordings`: their folder, where it isn't in there. Raises ConfigError where there is no ssh-keygen."""
    folder.mkdir(mode=0o700)
    configuration = config_folder(environment(folder, YOU))
    configuration.mkdir(parents=True)
    lines = [make_key(folder / f"{person}.key", person) for person in (YOU, COLLEAGUE)]
    (configuration / "allowed_signers").write_text("".join(lines))
    (configuration / "limits.yaml").write_text(_LIMITS)
    endpoints = (f'{name}: {{url: "{desk_url}/{name}"}}\n' for name in ("tickets", "notify"))
    (configuration / "endpoints.yaml").write_text("".join(endpoints))
    (folder / FLEET).touch(0o600)
    (folder / FLEET).write_text(fleet_text)
    for person in (YOU, COLLEAGUE):
        variables = {**environment(folder, person), **({"WATCHFLOOR_SESSIONS": recordings} if recordings else {})}
        exports = (f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
        (folder / person).write_text("".join(exports))


def environment(folder: Path, person: str) -> Mapping[str, str]:
    """What makes a console one of this folder, and of this person."""
    return {
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "WATCHFLOOR_LINEAGE": str(folder / "lineage.db"),
        "WATCHFLOOR_KEY": str(folder / f"{person}.key"),
    }


def enter(folder: Path) -> None:
    """From now on this process is a console of it; what the user has set for consoles of real fleets counts no more."""
    recordings = str(sessions_folder())
    for name in [name for name in os.environ if name.startswith("WATCHFLOOR_") and name not in _LOOKS]:
        del os.environ[name]
    os.environ.update({**environment(folder, YOU), "WATCHFLOOR_SESSIONS": recordings})


_LOOKS = ("WATCHFLOOR_THEME", "WATCHFLOOR_ASCII", "WATCHFLOOR_DEBUG", KEEP_VARIABLE)


def how_to(folder: Path) -> str:
    """For a person, in a few lines."""
    fleet = folder / FLEET
    return "\n".join(
        (
            f"ledger, keys and settings of this demo are in {folder} and go with it",
            f"  a second shell becomes the colleague who approves:  . {folder / COLLEAGUE}",
            "  watchfloor approve RUN --reason 'seen it'; the plan's whole text comes first",
            "  watchfloor evidence RUN -o run.zip  keeps what is known of it, as long as the demo runs",
            f"  watchfloor run RUN --apply --fleet {fleet}  carries it out; watchfloor watch --fleet {fleet}  does so "
            "by itself",
        )
    )

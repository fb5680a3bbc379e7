"""Where the files of this user's watchfloor are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


def state_folder(env: Mapping[str, str]) -> Path:
    """What a program keeps between two runs (XDG base directory specification)."""
    base = env.get("XDG_STATE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local/state") / "watchfloor"


def lineage_place() -> str:
    """Where lineage is kept: WATCHFLOOR_LINEAGE (a file, or postgresql://…), else a file beside the findings."""
    return os.environ.get("WATCHFLOOR_LINEAGE", "") or str(state_folder(os.environ) / "lineage.db")


def findings_file() -> Path:
    """Where findings over time are kept for this user."""
    return state_folder(os.environ) / "findings.db"


def ledger_file() -> Path:
    """Where the ledger is kept: WATCHFLOOR_LEDGER, else a file beside the findings."""
    named = os.environ.get("WATCHFLOOR_LEDGER", "")
    return Path(named) if named else state_folder(os.environ) / "ledger.db"


def sessions_folder() -> Path:
    """Where sessions are kept: WATCHFLOOR_SESSIONS, else a folder beside the findings."""
    named = os.environ.get("WATCHFLOOR_SESSIONS", "")
    return Path(named) if named else state_folder(os.environ) / "sessions"


def config_folder(env: Mapping[str, str]) -> Path:
    """What its user writes for it (XDG base directory specification)."""
    base = env.get("XDG_CONFIG_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".config") / "watchfloor"


def policies_folder() -> Path:
    """Where this user's own policies are: WATCHFLOOR_POLICIES, else a folder of the configuration."""
    return _configured("WATCHFLOOR_POLICIES", "policies")


def people_file() -> Path:
    """Who is of which group: WATCHFLOOR_PEOPLE, else a file of the configuration."""
    return _configured("WATCHFLOOR_PEOPLE", "people.yaml")


def signers_file() -> Path:
    """Whose signatures count as approvals: WATCHFLOOR_SIGNERS, else a file of the configuration."""
    return _configured("WATCHFLOOR_SIGNERS", "allowed_signers")


def endpoints_file() -> Path:
    """Where requests of a name go."""
    return _configured("WATCHFLOOR_ENDPOINTS", "endpoints.yaml")


def limits_file() -> Path:
    """What interlocks hold to: WATCHFLOOR_LIMITS, else a file of the configuration."""
    return _configured("WATCHFLOOR_LIMITS", "limits.yaml")


def _configured(variable: str, name: str) -> Path:
    named = os.environ.get(variable, "")
    return Path(named) if named else config_folder(os.environ) / name


@dataclass(frozen=True, slots=True)
class PolicyPlaces:
    """`own_named`, `people_named`: somebody asked for it, so it must be there."""

    shipped: Path
    own: Path | None = None
    own_named: bool = False
    people: Path | None = None
    people_named: bool = False


def policy_places(own: Path | None = None, people: Path | None = None) -> PolicyPlaces:
    """Where policies come from: what an option names, a variable of the environment, or the configuration."""
    return PolicyPlaces(
        shipped_policies(),
        own or policies_folder(),
        own is not None or bool(os.environ.get("WATCHFLOOR_POLICIES")),
        people or people_file(),
        people is not None or bool(os.environ.get("WATCHFLOOR_PEOPLE")),
    )


def shipped_policies() -> Path:
    """The folder of those that watchfloor comes with."""
    found = find_spec("playbooks")
    return Path(found.origin).parent / "policies" if found is not None and found.origin else Path("policies")


def playbooks_folder() -> Path:
    """Where this user's own playbooks are: WATCHFLOOR_PLAYBOOKS, else a folder of the configuration."""
    return _configured("WATCHFLOOR_PLAYBOOKS", "playbooks")


def shipped_playbooks() -> Path:
    """The folder of those that watchfloor comes with."""
    found = find_spec("playbooks")
    return Path(found.origin).parent if found is not None and found.origin else Path("playbooks")


def watch_lock() -> Path:
    """What the one running `watchfloor watch` of a ledger holds."""
    return ledger_file().with_suffix(".watch")

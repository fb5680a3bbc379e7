"""What configures a console, as digests: years later it can be shown which files they were.

Must not do: understand any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from watchfloor.places import (
    endpoints_file,
    limits_file,
    people_file,
    playbooks_folder,
    policies_folder,
    signers_file,
)
from watchfloor.redact import redact


def configuration(fleet_file: Path | None) -> Mapping[str, str]:
    """`limits` -> `PATH sha256:…`; what isn't there, or can't be read, is left out. `fleet_file`: the one in use."""
    places = {
        "fleet file": fleet_file,
        "limits": limits_file(),
        "endpoints": endpoints_file(),
        "people": people_file(),
        "signers": signers_file(),
        "own policies": policies_folder(),
        "own playbooks": playbooks_folder(),
    }
    told = {what: _told(place) for what, place in places.items() if place is not None}
    return {what: words for what, words in told.items() if words}


def _told(place: Path) -> str:
    try:
        digest = _of_folder(place) if place.is_dir() else _of_file(place)
    except OSError:
        return ""
    return f"{redact(str(place))} sha256:{digest}"


def _of_file(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _of_folder(folder: Path) -> str:
    """Of what `LC_ALL=C sha256sum *` prints within it."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return sha256("".join(f"{_of_file(path)}  {path.name}\n" for path in files).encode()).hexdigest()

"""`watchfloor playbooks`: which there are, what one of them says, whether a file is right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from watchfloor.commands import output
from watchfloor.errors import ConfigError
from watchfloor.exits import Exit
from watchfloor.playbook import Playbook
from watchfloor.playbookshelf import Shelf, shelf
from watchfloor.schemas import schema_text
from watchfloor.snapshot.playbooks import FORMAT, document, list_text, playbook_text

app = App(name="playbooks", help="What is done when: which playbooks there are, and whether a file is right.")
Json = Annotated[bool, Parameter(help="As JSON.")]


@app.default
@app.command(name="list")
def list_playbooks(*, json: Json = False) -> int:
    """Every playbook: those that watchfloor comes with, and yours, which replace them by name."""
    found = shelf()
    playbooks = sorted(found.playbooks.values(), key=lambda playbook: playbook.name)
    if json:
        listed = [document(playbook, playbook.name in found.own) for playbook in playbooks]
        broken = [output.described(error) for error in found.broken.values()]
        output.write_json({"format": FORMAT, "playbooks": listed, "broken": broken})
    else:
        output.write(list_text(playbooks, found.own))
        for error in found.broken.values():
            output.show_error(output.described(error), False)
    return Exit.USAGE if found.broken else Exit.OK


@app.command
def show(name: Annotated[str, Parameter(help="A playbook's name, or a file.")], /, *, json: Json = False) -> int:
    """One playbook: when it is due, what it does, within which bounds."""
    found = shelf()
    playbook = found.get(name)
    if playbook is None:
        guess = found.guess(name)
        raise ConfigError(
            f"there is no playbook {name!r}", f"did you mean {guess}?" if guess else "`watchfloor playbooks` lists them"
        )
    if json:
        output.write_json({"format": FORMAT, "playbook": document(playbook, playbook.name in found.own)})
    else:
        output.write(playbook_text(playbook))
    return Exit.OK


@app.command
def check(*files: Annotated[Path, Parameter(help="Playbooks. None: all there are.")], json: Json = False) -> int:
    """Whether files are right, to the last action and parameter that they name. Exit code 2 where one isn't."""
    found = shelf()
    errors = [error for file in files for error in _of_file(file, found)] if files else _of_all(found)
    if json:
        output.write_json({"format": FORMAT, "errors": [output.described(error) for error in errors]})
    else:
        for error in errors:
            output.show_error(output.described(error), False)
        if not errors:
            output.write(f"{len(files) or len(found.playbooks)} playbooks are right")
    return Exit.USAGE if errors else Exit.OK


@app.command
def schema() -> int:
    """The JSON Schema of a playbook, for editors."""
    output.write(schema_text("playbook"))
    return Exit.OK


def _of_all(found: Shelf) -> list[ConfigError]:
    errors = list(found.broken.values())
    return errors + [error for playbook in found.playbooks.values() for error in _wrong_with(playbook, found)]


def _of_file(file: Path, found: Shelf) -> list[ConfigError]:
    from watchfloor import playbookfile  # noqa: PLC0415

    try:
        return _wrong_with(playbookfile.read(file), found)
    except ConfigError as error:
        return [error]


def _wrong_with(playbook: Playbook, found: Shelf) -> list[ConfigError]:
    from watchfloor.repertoire import wrong_with  # noqa: PLC0415 - joins the rooms

    return wrong_with(playbook, found)

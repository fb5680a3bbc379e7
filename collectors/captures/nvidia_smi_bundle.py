"""Several outputs of nvidia-smi in one file, each below a line "# $ nvidia-smi …": read together, the newest last."""

from __future__ import annotations

import re
from collections.abc import Iterator

from collectors.captures import Capture, Refused, nvidia_smi_csv, nvidia_smi_q, nvidia_smi_tables
from collectors.captures._nvidia_smi import Log, Rows, rows, stack

MATCHES = "a file of several outputs of nvidia-smi, each below a line `# $ nvidia-smi …`"

_SECTION = re.compile(r"^# \$ (nvidia-smi\b.*)$")


def matches(name: str, head: str) -> bool:
    return bool(re.search(r"^# \$ nvidia-smi", head, re.MULTILINE))


def read(name: str, text: str) -> Capture:
    outputs = list(sections(text))
    logs = [nvidia_smi_q.parse(body) for command, body in outputs if command == "nvidia-smi -q"]
    listed = "\n".join(body for command, body in outputs if command == "nvidia-smi -L")
    accelerators, links = nvidia_smi_tables.listing(listed), _nvlinks(outputs)
    for found in [rows(log) for log in logs] + [nvidia_smi_csv.parse(body) for body in _queries(outputs)]:
        _join(accelerators, found["accelerator"])
        _join(links, found["link"])
    _monitor(accelerators, outputs)
    if not accelerators:
        raise Refused("outputs of nvidia-smi, and none of them tells of a GPU")
    nvidia_smi_tables.with_links(accelerators, links)
    return Capture(
        f"nvidia-smi, {len(outputs)} outputs",
        {"accelerator": accelerators, "link": links},
        stack=_stack(logs, accelerators),
        notes=tuple(note for log in logs for note in log.notes),
    )


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Command and output of each; rules of hash signs and headings between them belong to none."""
    command, body, heading = "", [], False
    for line in [*text.splitlines(), "#" * 20]:
        if line.startswith("#" * 20):
            if command and not heading:
                yield command, "\n".join(body)
                command, body = "", []
            heading = not heading
        elif heading:
            found = _SECTION.match(line)
            command = found[1].strip() if found else command
        elif command:
            body.append(line)


def _queries(outputs: list[tuple[str, str]]) -> list[str]:
    return [body for command, body in outputs if "--query-gpu=" in command and body.strip()]


def _nvlinks(outputs: list[tuple[str, str]]) -> Rows:
    found: Rows = {}
    for command, body in outputs:
        if re.search(r"\bnvlink (-s|--status)\b", command):
            found.update(nvidia_smi_tables.nvlinks(body))
    return found


def _join(known: Rows, news: Rows) -> None:
    """What a later output says stands; a MIG instance that has no uuid in it is found by its name."""
    by_name = {row["name"]: key for key, row in known.items()}
    for key, row in news.items():
        of = key if key in known else by_name.get(row.get("name", ""), key)
        kept = known.get(of, {})
        lasting = {name: kept[name] for name in ("name", "model") if name in kept and row.get("partition_of")}
        known[of] = {**kept, **row, **lasting}


def _monitor(accelerators: Rows, outputs: list[tuple[str, str]]) -> None:
    by_name = {row["name"]: row for row in accelerators.values()}
    for command, body in outputs:
        if command.startswith("nvidia-smi dmon"):
            for cells in nvidia_smi_tables.dmon(body).values():
                by_name.get(cells["name"], {}).update(cells)


def _stack(logs: list[Log], accelerators: Rows) -> tuple:
    whole = [key for key, row in accelerators.items() if not row.get("partition_of")]
    return stack(logs[-1], whole) if logs and len(logs[-1].gpus) == len(whole) else ()

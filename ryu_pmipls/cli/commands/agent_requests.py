"""``pmipls tell``: a running agent, asked or commanded over its Unix socket."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ryu_pmipls.cli.failures import InputError, StateError
from ryu_pmipls.cli.options import json_option, run_directory_option
from ryu_pmipls.cli.parameter_types import NodeName
from ryu_pmipls.cli.sections import AGENTS
from ryu_pmipls.cli.tables import print_document, print_table
from ryu_pmipls.http.wording import local_time

#: Commands of agents, with the names of their arguments; all other words are resources to show.
_COMMANDS: dict[str, tuple[str, ...]] = {
    "attach": ("access_port", "node"),
    "detach": ("node",),
    "revoke": ("identifier",),
    "drain": (),
    "undrain": (),
}
#: Keys of documents whose values are seconds since 1970.
_TIMES = ("expires", "last_heard", "time")
_LINK_LAYER = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
#: Statuses by which an agent says that the request is wrong, whatever its own state.
_WRONG_REQUEST = (400, 404, 405)


@AGENTS.command(
    "tell", bad="no agent answers, it refuses, or it shows itself degraded", wrong="no such resource, command or node"
)
@click.argument("name", type=NodeName("mags", "lmas"))
@click.argument("command", default="")
@click.argument("words", nargs=-1)
@run_directory_option
@json_option
def tell(name: str, command: str, words: tuple[str, ...], run_directory: Path | None, as_json: bool) -> None:
    """Command a running agent, or show one of its resources.

    NAME is that of a MAG or an LMA on this host. Commands of a MAG: "attach PORT NODE", "detach NODE"; NODE is an
    identifier or a link-layer address. Commands of an LMA: "revoke IDENTIFIER", "drain", "undrain". Any other word,
    such as "bindings", is a resource; without COMMAND the agent lists both.
    """
    from ryu_pmipls.agents.api import socket_path
    from ryu_pmipls.agents.api_client import request
    from ryu_pmipls.http.client import path_of

    path = socket_path(name, run_directory)
    document = _document(command, words)
    try:
        status, answer = request(path, f"/v1/{path_of(command)}", document)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror or error}; does the agent of {name} run here?") from None
    if status != 200:
        raise (InputError if status in _WRONG_REQUEST else StateError)(_refusal(answer))
    if as_json:
        print_document(answer)
    else:
        _show(answer)
    if isinstance(answer, Mapping) and answer.get("status") == "degraded":
        raise click.exceptions.Exit(1)


def _document(command: str, words: tuple[str, ...]) -> dict[str, str] | None:
    """Document to send with a command; ``None`` for a resource."""
    fields = _COMMANDS.get(command, ())
    if len(words) != len(fields):
        usage = " ".join((command, *(field.upper() for field in fields)))
        raise InputError(f"{len(words)} words behind {command!r}, but {len(fields)} are needed: {usage}")
    if command not in _COMMANDS:
        return None
    document = dict(zip(fields, words, strict=True))
    node = document.pop("node", None)
    if node is not None:
        document["link_layer_address" if _LINK_LAYER.fullmatch(node) else "identifier"] = node
    return document


def _refusal(answer: Any) -> str:
    try:
        fault = answer["error"]
        there = f"; there are: {', '.join(fault['resources'])}" if "resources" in fault else ""
        return f"{fault['message']}{there}"
    except (LookupError, TypeError):
        return f"not the answer of an agent: {answer}"


def _show(answer: Any) -> None:
    """Print a document: a list of objects as a table, another object as one with a row for each key."""
    if isinstance(answer, list) and answer and all(isinstance(entry, Mapping) for entry in answer):
        columns = [*dict.fromkeys(key for entry in answer for key in entry)]
        rows = [[_cell(entry.get(key), key) for key in columns] for entry in answer]
        print_table([_words(column) for column in columns], rows)
    elif isinstance(answer, Mapping):
        rows = [[_words(key), _cell(value, key)] for key, value in answer.items()]
        print_table(("what", "value"), rows, prose=("value",))
    else:
        print_table(("what",), [[_cell(entry)] for entry in answer] if isinstance(answer, list) else [[_cell(answer)]])


def _words(key: str) -> str:
    return key.replace("_", " ")


def _cell(value: Any, key: str = "") -> str:
    if value is None:
        return "-"
    if key in _TIMES and isinstance(value, float):
        return local_time(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and not any(isinstance(entry, list | Mapping) for entry in value):
        return ", ".join(map(str, value)) or "-"
    return value if isinstance(value, str) else json.dumps(value)

"""``pmipls explain``: a decision, its reason, and its replay."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ryu_pmipls.cli import rms_tables
from ryu_pmipls.cli.failures import InputError, StateError
from ryu_pmipls.cli.options import json_option, rms_options
from ryu_pmipls.cli.sections import INSPECT
from ryu_pmipls.cli.tables import print_document, printable

if TYPE_CHECKING:
    from ryu_pmipls.http.client import RmsOptions

#: Decisions that a message names, the latest ones.
_SHOWN_IDS = 10


@INSPECT.command(
    "explain", bad="the RMS does not answer, or has no decision yet", wrong="no such decision, or no file of decisions"
)
@click.argument("decision")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with the decision, or a list of decisions, in place of the RMS.",
)
@rms_options
@json_option
def explain(decision: str, path: Path | None, rms: RmsOptions, as_json: bool) -> None:
    """Show why a decision was made, and what became of it.

    The decision is made again from the same inputs, and the result compared. DECISION is the decision's id or the
    beginning of it, the name of its MAG if there is only one of that, or "last".
    """
    from ryu_pmipls import loadsharing

    document = _of_rms(decision, rms) if path is None else chosen(_in_file(path), decision)
    try:
        replay = loadsharing.explain(document)
        lines = [*replay.lines()]
        snapshot = replay.again.inputs.snapshot.to_document()
        as_before = replay.same is not None
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise (StateError if path is None else InputError)(f"{path or decision}: {error}") from None
    if as_json:
        print_document({**document, "same_again": as_before})
        return
    for line in lines:
        click.echo(printable(line))
    rms_tables.LOAD_LIST.print(snapshot)


def _of_rms(decision: str, rms: RmsOptions) -> Mapping[str, Any]:
    """The document of a decision that the RMS has, with its inputs."""
    from ryu_pmipls.http.client import fetch, path_of, understanding, where

    base = where(rms)
    with understanding(base):
        wanted = chosen(fetch(base, "decisions"), decision)["id"]
        return {**fetch(base, path_of("decisions", wanted))}


def _in_file(path: Path) -> list[Mapping[str, Any]]:
    """The documents of decisions in a file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not a JSON file: {error}") from None
    documents = document if isinstance(document, list) else [document]
    if not all(isinstance(entry, dict) for entry in documents):
        raise InputError(f"{path}: must hold the document of a decision, or a list of such")
    return documents


def chosen(decisions: Sequence[Mapping[str, Any]], wanted: str) -> Mapping[str, Any]:
    """The decision whose id, beginning of an id, or MAG is ``wanted``; for "last", the last one.

    ``decisions`` are documents, the oldest first. ``StateError`` when there is none, ``InputError`` when none matches,
    or several do.
    """
    if not decisions:
        raise StateError("there is no decision yet")
    if wanted == "last":
        return decisions[-1]
    found = [entry for entry in decisions if str(entry.get("id")).startswith(wanted) or entry.get("mag") == wanted]
    found = [entry for entry in found if entry.get("id") == wanted] or found
    if len(found) == 1:
        return found[0]
    number = f"{len(found)} decisions have" if found else "no decision has"
    ids = [str(entry.get("id")) for entry in found or decisions]
    shown = ", ".join([*(["..."] if len(ids) > _SHOWN_IDS else []), *ids[-_SHOWN_IDS:]])
    raise InputError(f"{number} the id, its beginning, or the MAG {wanted!r}; choose one of: {shown}, last")

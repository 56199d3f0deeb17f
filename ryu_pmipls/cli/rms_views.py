"""``pmipls load-list`` and its like: resources of the RMS's REST interface as tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from rich.console import Console
from rich.table import Table

from ryu_pmipls.http.client import fetch, where
from ryu_pmipls.http.wording import local_time, reason_lines
from ryu_pmipls.loadsharing import explain


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0%}"


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}".replace(",", " ")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _load_rows(document: Any) -> list[list[str]]:
    rows = []
    for load in document["lmas"]:
        mags = ", ".join(f"{mag['mag']} {_number(mag['packets'])}" for mag in load["mags"])
        age = "unknown" if load["cpu_age"] is None else f"{load['cpu_age']:.1f}"
        counts = load["source"] or "none"
        rows.append([load["lma"], load["state"], _percent(load["cpu"]), _number(load["packets"]), mags, counts, age])
    return rows


def _node_rows(document: Any) -> list[list[str]]:
    return [
        [node["name"], node["address"], node["datapath_id"], node["state"], " ".join(sorted(node["ports"]))]
        for node in document
    ]


def _mag_rows(document: Any) -> list[list[str]]:
    return [
        [*row, ", ".join(f"{anchor} by {_carriers(shares)}" for anchor, shares in node["uplinks"].items())]
        for row, node in zip(_node_rows(document), document, strict=True)
    ]


def _carriers(shares: Mapping[str, int]) -> str:
    total = sum(shares.values())
    return " and ".join(lma if slots == total else f"{lma} ({slots}/{total})" for lma, slots in shares.items())


def _tunnel_rows(document: Any) -> list[list[str]]:
    return [
        [
            tunnel["mag"],
            tunnel["lma"],
            _yes(tunnel["up"]),
            _number(tunnel["uplink_packets"]),
            _number(tunnel["downlink_packets"]),
        ]
        for tunnel in document
    ]


def _binding_rows(document: Any) -> list[list[str]]:
    return [
        [
            entry["prefix"],
            entry["identifier"] or "unknown",
            entry["mag"],
            entry["previous_mag"] or "-",
            entry["anchor"] or "unknown",
            local_time(entry["since"]),
        ]
        for entry in document
    ]


def _traffic_rows(document: Any) -> list[list[str]]:
    return [
        [way, _number(document[f"{way}_packets"]), _number(document[f"{way}_octets"])] for way in ("uplink", "downlink")
    ]


def decision_rows(document: Any) -> list[list[str]]:
    return [
        [
            entry["id"],
            local_time(entry["time"]),
            entry["mag"],
            f"{entry['old_lma']} -> {entry['new_lma']}",
            entry["outcome"],
            entry["reason"],
        ]
        for entry in document
    ]


def _incident_rows(document: Any) -> list[list[str]]:
    return [[local_time(entry["time"]), entry["lma"], entry["kind"], entry["reason"]] for entry in document]


def _health_rows(document: Any) -> list[list[str]]:
    rows = [["status", document["status"]], ["domain", document["domain"]], ["bindings", str(document["bindings"])]]
    rows += [[f"switch of {name}", state] for name, state in document["switches"].items()]
    rows += [[f"downlink by {name}", state] for name, state in document["downlink"].items()]
    return rows + [[f"refused: {reason}", str(count)] for reason, count in document["refused"].items()]


WHERE_PROFILE = click.option(
    "--profile", metavar="PROFILE", help="Profile that tells where the RMS is (path or shipped name)."
)
WHERE_URL = click.option(
    "--url", metavar="URL", help="Where the RMS is, e.g. http://127.0.0.1:8080, in place of a profile."
)
_FILE_HELP = "A JSON file with the decision, or a list of them, in place of the RMS."
#: Decisions that a message names, the latest ones.
_SHOWN_IDS = 10
_LOAD_COLUMNS = ("LMA", "state", "CPU", "packets", "by MAG", "counted by", "CPU age (s)")


def console() -> Console:
    """Console that cuts nothing short in a pipe, which has no width."""
    return Console(width=None if sys.stdout.isatty() else 200)


def _command(
    name: str,
    help_text: str,
    columns: Sequence[str],
    rows: Callable[[Any], list[list[str]]],
    resource: str | None = None,
    arguments: Sequence[str] = (),
) -> click.Command:
    """A command that shows a resource (``name`` unless given); its arguments form the rest of the path."""

    @click.command(name, help=help_text, params=[click.Argument([argument]) for argument in arguments])
    @WHERE_PROFILE
    @WHERE_URL
    @click.option("--json", "as_json", is_flag=True, help="Print the JSON document.")
    def command(profile: str | None, url: str | None, as_json: bool, **values: str) -> None:
        path = "/".join((resource or name, *(quote(values[argument], safe=":") for argument in arguments)))
        document = fetch(where(profile, url), path)
        if as_json:
            click.echo(json.dumps(document, indent=2))
            return
        table = Table(*columns)
        for row in rows(document):
            table.add_row(*row)
        console().print(table)

    return command


def chosen(decisions: Sequence[Mapping[str, Any]], wanted: str) -> Mapping[str, Any]:
    """The decision whose id, beginning of an id, or MAG is ``wanted``; for "last", the last one.

    ``decisions`` are documents, the oldest first. ``ClickException`` when none matches, or several do.
    """
    if not decisions:
        raise click.ClickException("there is no decision yet")
    if wanted == "last":
        return decisions[-1]
    found = [entry for entry in decisions if str(entry.get("id")).startswith(wanted) or entry.get("mag") == wanted]
    found = [entry for entry in found if entry.get("id") == wanted] or found
    if len(found) == 1:
        return found[0]
    number = f"{len(found)} decisions have" if found else "no decision has"
    ids = [str(entry.get("id")) for entry in found or decisions]
    shown = ", ".join([*(["..."] if len(ids) > _SHOWN_IDS else []), *ids[-_SHOWN_IDS:]])
    raise click.ClickException(f"{number} the id, its beginning, or the MAG {wanted!r}; choose one of: {shown}, last")


@click.command("explain")
@click.argument("decision", metavar="DECISION")
@click.option("--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help=_FILE_HELP)
@WHERE_PROFILE
@WHERE_URL
def _explain(decision: str, path: Path | None, profile: str | None, url: str | None) -> None:
    """Tell why DECISION was made, what became of it, and what the same inputs would give again.

    DECISION is its id, or the beginning of its id, or the name of its MAG, if there is only one like that; or "last".
    """
    try:
        if path is not None:
            document = json.loads(path.read_text(encoding="utf-8"))
            documents = document if isinstance(document, list) else [document]
            if not all(isinstance(entry, dict) for entry in documents):
                raise ValueError("must hold the document of a decision, or a list of such")
            document = chosen(documents, decision)
        else:
            base = where(profile, url)
            document = fetch(base, f"decisions/{chosen(fetch(base, 'decisions'), decision)['id']}")
        explanation = explain(document)
    except (ValueError, AttributeError) as error:
        raise click.ClickException(f"{path or decision}: {error}") from None
    for line in explanation.lines():
        click.echo(line)
    snapshot = explanation.again.inputs.snapshot.to_document()
    table = Table(*_LOAD_COLUMNS)
    for row in _load_rows(snapshot):
        table.add_row(*row)
    console().print(table)


@click.command("health")
@WHERE_PROFILE
@WHERE_URL
@click.option("--json", "as_json", is_flag=True, help="Print the JSON document.")
def _health(profile: str | None, url: str | None, as_json: bool) -> None:
    """Tell whether all is well with the domain, and if not, why.

    The exit status is 0 when it is, 1 when it is not or the RMS cannot be asked, 2 when an option is wrong.
    """
    document = fetch(where(profile, url), "health")
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        table = Table("what", "how")
        for row in _health_rows(document):
            table.add_row(*row)
        console().print(table)
        for line in reason_lines(document):
            click.echo(line)
    if document["status"] != "ok":
        raise click.exceptions.Exit(1)


_NODE = ("name", "address", "datapath id", "state", "ports")

commands = [
    _command(
        "load-list",
        "The load list: CPU and packets of each LMA in the window, by MAG.",
        _LOAD_COLUMNS,
        _load_rows,
    ),
    _command("lmas", "The LMAs and their switches.", _NODE, _node_rows),
    _command("mags", "The MAGs, their switches, and which LMA carries their uplinks.", (*_NODE, "uplinks"), _mag_rows),
    _command(
        "tunnels",
        "The tunnels of every MAG and LMA, with the packets that came through.",
        ("MAG", "LMA", "up", "uplink packets", "downlink packets"),
        _tunnel_rows,
    ),
    _command(
        "bindings",
        "Where every mobile node is.",
        ("prefix", "mobile node", "MAG", "previous MAG", "anchor", "since"),
        _binding_rows,
    ),
    _command(
        "traffic",
        "What the mobile node with the home network prefix PREFIX (without its length) has sent and got since it is "
        "where it is.",
        ("way", "packets", "octets"),
        _traffic_rows,
        resource="bindings",
        arguments=("prefix",),
    ),
    _command(
        "decisions",
        "The decisions of load sharing so far, with their outcome.",
        ("id", "time", "MAG", "uplink", "outcome", "reason"),
        decision_rows,
    ),
    _explain,
    _command(
        "incidents",
        "What has happened to LMAs: deaths, returns, and what the operator had done with them.",
        ("time", "LMA", "what", "why"),
        _incident_rows,
    ),
    _health,
]

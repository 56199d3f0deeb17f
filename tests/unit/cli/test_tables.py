"""Tables of commands: nothing is cut short, and texts are shown as they are."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from ryu_pmipls.cli import main, tables
from ryu_pmipls.cli.rms_tables import BINDINGS, DECISIONS, HEALTH, INCIDENTS, LMAS, LOAD_LIST, MAGS, RmsTable
from ryu_pmipls.cli.tables import Heading, print_table, printable, table_lines
from tests.unit.cli.rms_documents import BINDING, DECISION, DEGRADED, INCIDENT, LOAD, NAI, NODE, REASON


def shown(table: RmsTable, document: object, width: int | None) -> list[str]:
    headings = [Heading(column, column in table.prose) for column in table.columns]
    return [*table_lines(headings, table.rows(document), width)]


@pytest.mark.parametrize(
    ("table", "document", "whole"),
    [
        (BINDINGS, [BINDING], ["2001:db8:114:dc02::/64", NAI, "mag1", "mag2", "lma1"]),
        (DECISIONS, [DECISION], ["1796070241814-mag1", "lma1 -> lma2", "acknowledged", "43273"]),
        (LMAS, [NODE], ["fd00:5213::21", "0000000000000021", "ready", "t-lma2"]),
        (MAGS, [NODE], ["fd00:5213::21", "0000000000000021", "t-lma2", "(20/32)"]),
        (LOAD_LIST, {"lmas": [LOAD]}, ["overloaded", "65 716", "openflow", "mag4"]),
        (INCIDENTS, [INCIDENT], ["lma1", "died", "tunnels"]),
        (HEALTH, DEGRADED, ["downlink by lma1", "bgp down", "Tnl_ack"]),
    ],
    ids=["bindings", "decisions", "lmas", "mags", "load-list", "incidents", "health"],
)
@pytest.mark.parametrize("width", [80, 60, 40, 20, None])
def test_names_and_addresses_are_whole_at_any_width(
    table: RmsTable, document: object, whole: list[str], width: int | None
) -> None:
    lines = shown(table, document, width)
    for text in whole:
        assert any(text in line for line in lines), lines
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize(
    ("table", "document"),
    [(BINDINGS, [BINDING]), (LMAS, [NODE]), (MAGS, [NODE]), (LOAD_LIST, {"lmas": [LOAD]}), (INCIDENTS, [INCIDENT])],
    ids=["bindings", "lmas", "mags", "load-list", "incidents"],
)
def test_80_columns_are_enough_for_a_table(table: RmsTable, document: object) -> None:
    lines = shown(table, document, 80)
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("────") for line in lines)


def test_in_a_pipe_a_row_is_a_line() -> None:
    heading, rule, row = shown(DECISIONS, [DECISION], None)
    assert heading.split() == ["id", "time", "MAG", "uplink", "outcome", "reason"]
    assert set(rule) == {"─", " "}
    assert row.endswith(f"  mag1  lma1 -> lma2  acknowledged  {REASON}")


def test_only_sentences_and_headings_are_wrapped() -> None:
    headings = [Heading("name"), Heading("a long heading"), Heading("reason", prose=True)]
    rows = [["lma1", "123456789", "one two three four five six"]]
    assert [*table_lines(headings, rows, 36)] == [
        "      a long",
        "name  heading    reason",
        "────  ─────────  ───────────────────",
        "lma1  123456789  one two three four",
        "                 five six",
    ]


def test_what_is_too_narrow_for_a_table_becomes_blocks() -> None:
    headings = [Heading("prefix"), Heading("mobile node")]
    rows = [["2001:db8::/64", NAI], ["2001:db8:1::/64", "mn2@example.net"]]
    assert [*table_lines(headings, rows, 30)] == [
        "prefix       2001:db8::/64",
        f"mobile node  {NAI}",
        "",
        "prefix       2001:db8:1::/64",
        "mobile node  mn2@example.net",
    ]


def test_a_table_without_rows_is_its_headings() -> None:
    assert [*table_lines([Heading("MAG"), Heading("LMA")], [], 80)] == ["MAG  LMA", "───  ───"]


@pytest.mark.parametrize(
    ("text", "as_shown"),
    [
        (NAI, NAI),
        ("[red]alarm[/red]", "[red]alarm[/red]"),
        (":smile:", ":smile:"),
        ("müller@example.net", "müller@example.net"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("two\nlines\t", r"two\nlines\t"),
        ("\udce9", r"\udce9"),
    ],
)
def test_texts_are_shown_as_they_are_without_what_a_terminal_obeys(text: str, as_shown: str) -> None:
    assert printable(text) == as_shown


def test_a_terminal_sets_the_width(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(tables, "terminal_width", lambda: 12)
    print_table(("prefix",), [["2001:db8::/64"]])
    assert capsys.readouterr().out == "prefix  2001:db8::/64\n"


def test_an_encoding_without_lines_gets_dashes() -> None:
    result = CliRunner(charset="ascii").invoke(main, ["show", "--profile", "two-lma"])
    assert result.exit_code == 0
    assert "\n----  ---" in result.output

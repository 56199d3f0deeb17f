"""``docs/pipeline.md``, from the declarations of tables and rules.

python -m docs.generators.pipeline > docs/pipeline.md
"""

from __future__ import annotations

from collections.abc import Iterator

from ryu_pmipls.controller.switches.flow import Pipeline, Rule, Table
from ryu_pmipls.controller.switches.lma import LMA
from ryu_pmipls.controller.switches.mag_rules import MAG

_INTRODUCTION = """\
# Pipelines

Generated from the declarations in `ryu_pmipls/controller/switches/mag_rules.py` and `lma.py` by
`python -m docs.generators.pipeline`; do not edit.

Every node has one OpenFlow bridge with the tables shown here. A table lists what its rules may match and do; another
rule cannot be built. Words in italics are parameters: a rule makes one flow entry for each set of their values.
A rule of owner *base* is there as long as its node, one of owner *binding* as long as a mobile node's binding. A match
with an IPv6 field matches IPv6 packets only. Packets go on to the next table after the actions; a rule without either
drops.
"""


def reference() -> str:
    """The text of ``docs/pipeline.md``."""
    return "\n".join(_paragraphs()).rstrip() + "\n"


def _paragraphs() -> Iterator[str]:
    yield _INTRODUCTION
    for pipeline in (MAG, LMA):
        yield f"## {pipeline.name}\n"
        yield from _tables(pipeline)
        yield from _parameters(pipeline)


def _tables(pipeline: Pipeline) -> Iterator[str]:
    for table in pipeline.tables:
        yield f"### Table {table}\n"
        yield f"{table.text[0].upper()}{table.text[1:]}. {_allowed(table)}\n"
        yield "| priority | match | actions | next table | owner | for |"
        yield "|---|---|---|---|---|---|"
        for rule in sorted(pipeline.rules, key=lambda rule: -rule.priority):
            if rule.table is table:
                yield _row(rule)
        yield ""


def _parameters(pipeline: Pipeline) -> Iterator[str]:
    found = {parameter: None for rule in pipeline.rules for parameter in rule.parameters}
    yield f"### Parameters of the {pipeline.name}'s rules\n"
    yield "| parameter | kind | is |"
    yield "|---|---|---|"
    for parameter in sorted(found, key=lambda parameter: parameter.name):
        yield f"| *{parameter.name}* | {parameter.kind.value} | {parameter.text} |"
    yield ""


def _allowed(table: Table) -> str:
    parts = [f"May match {_names(table.match)}"]
    if table.actions:
        parts.append(f"may {_names({kind.__name__ for kind in table.actions})}")
    if table.next_tables:
        parts.append(f"may lead to {' and '.join(str(following) for following in table.next_tables)}")
    return "; ".join(parts) + "."


def _names(names: frozenset[str] | set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "nothing"


def _row(rule: Rule) -> str:
    actions = "; ".join(map(str, rule.actions)) or ("" if rule.goto else "drop")
    if rule.hard_timeout:
        actions += f"; for {rule.hard_timeout} s"
    following = "" if rule.goto is None else str(rule.goto)
    cells = (rule.priority, rule.match, actions, following, rule.owner.name.lower(), rule.text)
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    print(reference(), end="")

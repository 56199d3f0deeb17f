"""PBUs and PBAs that another implementation builds, and what RFC 5213 prescribes for them.

scapy builds the octets and reads those of the answers. What has to come is said by the cases, and for all answers in
common by ``lma.prescribed``; the project is not asked for it. From the same cases, and what came, is
``docs/conformance.md``: python -m tests.unit.mobility.conformance > docs/conformance.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.unit.mobility.conformance import lma, mag

_INTRODUCTION = """\
# Conformance

What LMA and MAG make of messages of another implementation, beside what the RFCs prescribe. Generated from what they
did by `python -m tests.unit.mobility.conformance`; do not edit. The tests run the same cases.

The messages are built, and the answers read, by scapy, which knows PBU, PBA and the Mobile Node Identifier; the other
options are octets to it. They enter through the parser. Section numbers are those of RFC 5213 unless another RFC is
named; a number in brackets is the rule in its section.
"""

_LMA = """\
## Requests to an LMA

"Held" are the prefixes that the session had before, "assigned" is one of the pool that was free. Copied is what the
answer has to repeat, zero what it has to have though there is nothing to repeat (section 5.3.6). Lifetimes are in units
of 4 s; this LMA grants 900. Without an answer, the reason is the one under which it is counted.
"""

_MAG = """\
## Acknowledgements to a MAG

The MAG has sent the first request for a mobile node; the acknowledgement comes 0.25 s later.
"""

Cases = Mapping[str, Sequence["lma.Request | mag.Acknowledgement"]]


def page() -> str:
    """The text of ``docs/conformance.md``."""
    return "\n".join([_INTRODUCTION, _LMA, *_tables(lma.cases()), _MAG, *_tables(mag.cases())]).rstrip() + "\n"


def _tables(cases: Cases) -> Iterator[str]:
    for group, rows in cases.items():
        yield f"### {group}\n"
        yield "| case | section | expected | got |"
        yield "|---|---|---|---|"
        for case in rows:
            yield f"| {case.title} | {_section(case.section)} | {case.expected()} | {case.got()} |"
        yield ""


def _section(section: str) -> str:
    rfc, comma, rest = section.partition(", ")
    return f"RFC {rfc}, {rest}" if comma else section

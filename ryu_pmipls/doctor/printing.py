"""Findings for a person, and for a program. The standard library alone."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby

from ryu_pmipls.doctor.check import Finding, Level

_COLOURS = {Level.OK: "32", Level.UNKNOWN: "36", Level.WARNING: "33", Level.WRONG: "31;1"}
_LEVEL_WIDTH = max(len(level.value) for level in Level)
_NARROWEST, _WIDEST = 40, 100  # columns


def print_findings(findings: Iterable[Finding]) -> None:
    """Print findings on standard output, as wide as the terminal, with colours if it is one."""
    columns = min(max(shutil.get_terminal_size((80, 24)).columns, _NARROWEST), _WIDEST)
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for line in lines(findings, columns, colours):
        print(line)


def lines(findings: Iterable[Finding], columns: int = 80, colours: bool = False) -> Iterator[str]:
    """The findings under the names of their subjects, and the remedy under each that is not ok."""
    shown = list(findings)
    titles = max((len(finding.check) for finding in shown), default=0)
    indent = " " * (_LEVEL_WIDTH + titles + 6)
    for subject, group in groupby(shown, lambda finding: finding.subject):
        yield f"{subject}:"
        for finding in group:
            level = finding.verdict.level
            word = level.value.ljust(_LEVEL_WIDTH)
            if colours:
                word = f"\033[{_COLOURS[level]}m{word}\033[0m"
            first, *rest = _wrapped(finding.verdict.found, columns - len(indent))
            yield f"  {word}  {finding.check.ljust(titles)}  {first}"
            yield from (indent + line for line in rest)
            if finding.verdict.what_to_do:
                # Commands are not wrapped, so that they can be copied.
                yield f"      what to do: {finding.verdict.what_to_do}"


def summary(findings: Iterable[Finding]) -> str:
    """A line with the number of findings by level, the worst first."""
    levels = [finding.verdict.level for finding in findings]
    counts = (f"{levels.count(level)} {level.value}" for level in reversed(Level) if level in levels)
    return f"{', '.join(counts) or 'nothing was looked at'}."


def document(findings: Iterable[Finding]) -> str:
    """The findings as JSON: a list of objects."""
    return json.dumps(
        [
            {
                "subject": finding.subject,
                "check": finding.check,
                "level": finding.verdict.level.value,
                "found": finding.verdict.found,
                "what_to_do": finding.verdict.what_to_do or None,
            }
            for finding in findings
        ],
        indent=2,
    )


def exit_status(findings: Iterable[Finding]) -> int:
    """1 when something is wrong, else 0."""
    return int(any(finding.wrong for finding in findings))


def _wrapped(text: str, columns: int) -> list[str]:
    return textwrap.wrap(text, max(columns, 20), break_on_hyphens=False, break_long_words=False) or [""]

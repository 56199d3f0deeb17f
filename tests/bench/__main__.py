"""``python -m tests.bench [NAME...]``: run these benchmarks, or all; exit code 1 when one is below its ratio.

A benchmark is a module here with a function ``measure() -> list[Comparison]``. Its figures go to a table, and those of
the whole run to ``bench-report.json``.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests import lead_import_path
from tests.bench.comparison import Comparison

REPORT = Path("bench-report.json")
BENCHMARKS = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if "\ndef measure(" in path.read_text())


def table(name: str, comparisons: list[Comparison]) -> Table:
    figures = Table(title=name)
    for heading in ("operation", "rate", "", "yardstick", "its rate", "ratio", "at least"):
        figures.add_column(heading, justify="left" if heading in ("operation", "", "yardstick") else "right")
    for each in comparisons:
        figures.add_row(
            each.operation,
            f"{each.rate:,.0f}",
            each.unit,
            each.yardstick,
            f"{each.yardstick_rate:,.0f}",
            f"[{'green' if each.suffices else 'red'}]{each.ratio:.2f}",
            f"{each.at_least:g}",
        )
    return figures


def main(names: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # what was started ends first
    unknown = sorted({*names} - {*BENCHMARKS})
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}.")
    lead_import_path()
    console = Console()
    results = {}
    for name in names or BENCHMARKS:
        results[name] = import_module(f"tests.bench.{name}").measure()
        console.print(table(name, results[name]))
    document = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} cores",
        "benchmarks": {
            name: [vars(each) | {"ratio": each.ratio} for each in figures] for name, figures in results.items()
        },
    }
    REPORT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    console.print(f"As JSON: {REPORT}", highlight=False)
    return 0 if all(each.suffices for figures in results.values() for each in figures) else 1


sys.exit(main(sys.argv[1:]))

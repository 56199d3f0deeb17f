"""``python -m tests.bench [--smoke] [NAME...]``: run these benchmarks, or all; exit code 1 when one is below its ratio.

A benchmark is a module here with a function ``measure(effort: Effort) -> list[Comparison]``. Its figures go to a table,
and those of the whole run to ``bench-report.json``. With ``--smoke`` each does just enough to show that it runs: its
ratios do not count, and nothing is left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.comparison import FULL, SMOKE, Comparison, Effort

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


def run(names: list[str], effort: Effort) -> dict[str, list[Comparison]]:
    console = Console()
    results = {}
    for name in names:
        results[name] = import_module(f"tests.bench.{name}").measure(effort)
        console.print(table(name, results[name]))
    return results


def report(results: dict[str, list[Comparison]]) -> None:
    document = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} cores",
        "benchmarks": {
            name: [vars(each) | {"ratio": each.ratio} for each in figures] for name, figures in results.items()
        },
    }
    REPORT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(f"As JSON: {REPORT}")


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # what was started ends first
    parser = argparse.ArgumentParser(prog="bench", description="Benchmarks: ours beside a yardstick, in one run.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"one of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--smoke", action="store_true", help="only see whether they run")
    options = parser.parse_args()
    unknown = sorted({*options.names} - {*BENCHMARKS})
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}.")
    names = options.names or BENCHMARKS
    if options.smoke:
        with tempfile.TemporaryDirectory(prefix="pmbench-") as directory:
            os.chdir(directory)
            run(names, SMOKE)
        return 0
    results = run(names, FULL)
    report(results)
    return 0 if all(each.suffices for figures in results.values() for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main())

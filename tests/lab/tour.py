"""Pages that show what commands print, tried: every command behind a ``$`` is run, and what it prints is compared.

    python -m tests.lab.tour README.md docs/tour.md            # as root
    python -m tests.lab.tour --renew README.md docs/tour.md    # and what is printed now is written into the pages

All commands of a page are run in one shell, in order, in namespaces of their own: a lab there meets no other one. Shape
and words count; numbers, times, addresses and what else was measured do not, nor where lines are broken. ``...`` stands
for anything.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

INDENT = "    "
PROMPT = f"{INDENT}$ "
ELLIPSIS = "..."
_PATIENCE = 600  # s for a whole page, before what hangs is ended

#: What differs from run to run, and what stands for it; in this order.
_VARIABLE = (
    (r"[━─═]+", "-"),  # columns are as wide as what is in them
    (r"(?<![\w:])\d\d:\d\d:\d\d(\.\d+)?(?![\w:])", "TIME"),
    (r"(?<![\w:])[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}(?!\w)", "ADDRESS"),
    (r"ADDRESS ?\(ADDRESS", "ADDRESS (ADDRESS"),  # of ping, old and new
    (r"\b(neutral|light|overloaded)\b", "STATE"),
    (r", pipe \d+", ""),  # of ping, when answers come late
    (r"(?<!\w)unknown(?!\w)|(?<![\w.])-?\d+( \d{3})*(\.\d+)?( ?%)?", "N"),
    (r"mag\d N(, mag\d N)*", ""),  # in the load list: only MAGs from which something came
    (r"\s+", " "),
)
#: Runs a page's commands: the shell's files, processes and network are its own. The CPU groups are the machine's.
_OWN_NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child", "bash", "-c")
_PREPARATION = """
    mount --make-rprivate / && mount -t proc proc /proc && mount -t tmpfs tmpfs /run && mkdir /run/netns /run/lock &&
    ip link set lo up && exec bash --norc -s
"""


@dataclass(frozen=True)
class Shown:
    """A command as a page shows it, with what it prints; ``line`` is that of the command, counted from 0."""

    line: int
    command: str
    output: tuple[str, ...]

    def abridge(self, printed: Sequence[str]) -> Sequence[str]:
        """What to show of what was printed: all, or what is before and behind a line ``...`` as before.

        With ``...`` elsewhere, or when the line behind it is not found: what was shown.
        """
        places = [number for number, line in enumerate(self.output) if ELLIPSIS in line]
        if not places:
            return printed
        (place, *others), expected, found = places, normal(self.output), normal(printed)
        if others or self.output[place] != ELLIPSIS or not {*expected[place + 1 : place + 2]} <= {*found}:
            return self.output
        start = found.index(expected[place + 1]) if place + 1 < len(expected) else len(printed)
        return [*printed[:place], ELLIPSIS, *printed[start:]]


def shown(page: str) -> Iterator[Shown]:
    """The commands of a page, in order."""
    lines = page.splitlines()
    for number, line in enumerate(lines):
        if line.startswith(PROMPT):
            output = []
            for following in lines[number + 1 :]:
                if following.startswith(PROMPT) or (following and not following.startswith(INDENT)):
                    break
                output.append(following.removeprefix(INDENT))
            while output and not output[-1]:
                output.pop()
            yield Shown(number, line.removeprefix(PROMPT), tuple(output))


def normal(lines: Sequence[str]) -> list[str]:
    """What counts of lines: words and their order."""
    found = []
    for line in lines:
        for pattern, replacement in _VARIABLE:
            line = re.sub(pattern, replacement, line)
        found.append(line.strip())
    return found


def agrees(expected: Sequence[str], printed: Sequence[str]) -> bool:
    """Whether what was printed has the shape and the words of what was expected."""
    wanted, found = (f" {' '.join(normal(lines))} " for lines in (expected, printed))
    words = "(.* )?".join(re.escape(part) for part in wanted.split(f"{ELLIPSIS} "))
    return re.fullmatch(words.replace(re.escape(ELLIPSIS), ".*"), found) is not None


def difference(expected: Sequence[str], printed: Sequence[str]) -> str:
    """What the two do not have in common, and what was printed."""
    lines = difflib.unified_diff(normal(expected), normal(printed), "shown", "printed", lineterm="")
    return "\n".join([*lines, "printed were:", *printed])


def renewed(page: str, printed: Sequence[Sequence[str]]) -> str:
    """The page with what its commands have printed in place of what it shows, as far as it shows it."""
    lines = page.splitlines()
    for entry, output in reversed([*zip(shown(page), printed, strict=True)]):
        new = entry.abridge(output)
        start = entry.line + 1
        lines[start : start + len(entry.output)] = [f"{INDENT}{line}".rstrip() for line in new]
    return "\n".join(lines) + "\n"


def run(commands: Sequence[str], directory: Path) -> list[tuple[int, list[str]]]:
    """Exit status and output of each command, run one after the other in one shell that is in ``directory``."""
    marks = [f"{directory}/status{number}" for number in range(len(commands))]
    outputs = [directory / f"output{number}" for number in range(len(commands))]
    script = "".join(
        f"{{ {command}\n}} >{output} 2>&1 </dev/null\necho $? >{mark}\n"
        for command, output, mark in zip(commands, outputs, marks, strict=True)
    )
    script += "pmipls lab down >/dev/null 2>&1\n"  # of a page that has gone wrong
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PMIPLS")}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    work = directory / "work"
    work.mkdir()
    process = subprocess.Popen(
        [*_OWN_NAMESPACES, _PREPARATION], stdin=subprocess.PIPE, cwd=work, env=environment, start_new_session=True
    )
    try:
        process.communicate(script.encode(), timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        pass  # which the missing status tells
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    statuses = [int(Path(mark).read_text() or -1) if Path(mark).exists() else -1 for mark in marks]
    texts = [output.read_text(errors="replace").splitlines() if output.exists() else [] for output in outputs]
    return [*zip(statuses, texts, strict=True)]


def faults(page: str, results: Sequence[tuple[int, Sequence[str]]]) -> list[str]:
    """What is wrong with a page, given the exit status and the output of each of its commands."""
    found = []
    for entry, (status, printed) in zip(shown(page), results, strict=True):
        where = f"line {entry.line + 1}: $ {entry.command}\n"
        if status < 0:
            found.append(f"{where}did not come to its end within {_PATIENCE} s for the whole page")
            break
        if status > 0:
            found.append(where + "\n".join([f"exit status {status}", *printed]))
        elif not agrees(entry.output, printed):
            found.append(where + difference(entry.output, printed))
    return found


def try_page(path: Path, renew: bool = False) -> list[str]:
    """Run the commands of a page: what is wrong with it. ``renew`` writes into it what they print now."""
    page = path.read_text(encoding="utf-8")
    with TemporaryDirectory() as directory:
        results = run([entry.command for entry in shown(page)], Path(directory))
    found = faults(page, results)
    if renew and not any(status for status, _ in results):
        path.write_text(renewed(page, [printed for _, printed in results]), encoding="utf-8")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.tour", description="Try what pages show.")
    parser.add_argument("pages", nargs="+", type=Path, metavar="PAGE")
    parser.add_argument("--renew", action="store_true", help="write into the pages what is printed now")
    arguments = parser.parse_args()
    failed = False
    for path in arguments.pages:
        found = try_page(path, arguments.renew)
        failed = failed or bool(found)
        print("\n\n".join([f"{path}: {len(found)} commands do not print what the page shows", *found]))
    sys.exit(failed and not arguments.renew)


if __name__ == "__main__":
    main()

"""``python -m tests.fuzz TARGET [OPTION...]``: fuzz a target until a finding or ``-runs``; options are libFuzzer's.

``python -m tests.fuzz TARGET minimise``: reduce its corpus, with what was found, to the inputs that reach most.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from importlib import import_module
from pathlib import Path

from tests.fuzz import CORPORA

#: What a run finds, by target: inputs that reach new code, and those that fail.
FOUND = Path(".fuzz")
#: Packages whose code inputs are to reach. Of the machines' targets, those alone: the codec, which has targets of its
#: own, would fill their corpora with inputs that lead nowhere new in a machine, and take half of the time.
INSTRUMENTED = defaultdict(
    lambda: ["ryu_pmipls"],
    lma=["ryu_pmipls.mobility"],
    mag=["ryu_pmipls.mobility"],
    openflow=["ryu_pmipls.controller", "ryu.ofproto.ofproto_v1_3_parser"],
)
#: Seconds that one input may take. The longest take milliseconds; but the machine may be busy.
TIMEOUT = 60


def fuzz(target: str, options: list[str]) -> None:
    """Does not return: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED[target]):
        execute = import_module(f"tests.fuzz.{target}").execute
    # libFuzzer starts itself anew, in a shell, to merge corpora.
    command = shlex.join([sys.executable, "-m", "tests.fuzz", target])
    atheris.Setup([command, *options], execute)
    atheris.Fuzz()


def minimise(target: str, corpus: Path, found: Path) -> None:
    """Replace the corpus by the smallest inputs, of it and of what was found, that together reach as much."""
    reduced = found.with_name(f"{target}.reduced")
    shutil.rmtree(reduced, ignore_errors=True)
    reduced.mkdir()
    subprocess.run(
        [sys.executable, "-m", "tests.fuzz", target, "-merge=1", reduced, corpus, found],
        check=True,
    )
    shutil.rmtree(corpus)
    reduced.rename(corpus)


def main(arguments: list[str]) -> None:
    targets = sorted(path.name for path in CORPORA.iterdir())
    if not arguments or arguments[0] not in targets:
        sys.exit(f"{__doc__}\nTargets: {', '.join(targets)}.")
    target, *options = arguments
    corpus, found = CORPORA / target, FOUND / target
    found.mkdir(parents=True, exist_ok=True)
    if options == ["minimise"]:
        minimise(target, corpus, found)
    elif any(option.startswith("-merge") for option in options):
        fuzz(target, options)
    else:
        fuzz(target, [f"-artifact_prefix={found}-", f"-timeout={TIMEOUT}", *options, str(found), str(corpus)])


main(sys.argv[1:])

"""``./run lock``: renew the lock files in ``requirements/`` from the ranges in ``setup.cfg``, with ``uv``.

``build.txt`` locks what builds Ryu, ``python3.X.txt`` what the package needs with its RMS and its certificates, and
``python3.X-test.txt`` what the tests need beyond that. Each names the newest versions in range, with the hashes of all
files of the index.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
LOCKS = CHECKOUT / "requirements"
BUILD_INPUT = LOCKS / "build.in"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
HEADER = "# Made by ./run lock, which renews it: do not edit.\n"
#: Variables of pip and uv that would let packages of this machine into the locks.
LOCAL_SOURCES = ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_EXTRA_INDEX_URL", "UV_INDEX")


def requirements(*extras: str) -> str:
    """The requirements of the package and these extras in ``setup.cfg``, a line each."""
    config = ConfigParser()
    config.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    sections = [config["options"]["install_requires"], *(config["options.extras_require"][extra] for extra in extras)]
    return "\n".join(sections)


def compile_lock(uv: str, python: str, source: str) -> str:
    """The lock of the requirements ``source`` for one version of Python; ends the program when there is none."""
    command = [uv, "pip", "compile", "--quiet", "--no-config", "--generate-hashes", "--no-header", "--no-annotate"]
    command += ["--system-certs", "--no-python-downloads", "--python-version", python]
    command += ["--build-constraints", str(BUILD_INPUT), "-"]
    environment = {name: value for name, value in os.environ.items() if name not in LOCAL_SOURCES}
    if index := os.environ.get("PIP_INDEX_URL"):
        environment.setdefault("UV_DEFAULT_INDEX", index)
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"Python {python}: {done.stderr.strip()}")
    return done.stdout


def packages(lock: str) -> dict[str, str]:
    """The entries of a lock, each with its hashes, by ``name==version``."""
    entries = re.findall(r"^\S.*(?:\n .*)*", lock, re.MULTILINE)
    return {entry.split(maxsplit=1)[0]: entry for entry in entries}


def write(name: str, entries: dict[str, str]) -> None:
    (LOCKS / name).write_text(HEADER + "".join(f"{entry}\n" for entry in entries.values()), encoding="utf-8")
    print(f"  requirements/{name:22} {len(entries):3} packages")


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run lock")
    parser.add_argument("--uv", required=True, help="path of the program uv")
    uv = parser.parse_args().uv
    build = BUILD_INPUT.read_text(encoding="utf-8")
    write("build.txt", packages(compile_lock(uv, PYTHONS[0], build)))
    for python in PYTHONS:
        needed = packages(compile_lock(uv, python, build + requirements("rms", "security")))
        pinned = "\n".join(needed)
        tested = packages(compile_lock(uv, python, pinned + requirements("rms", "security", "test")))
        write(f"python{python}.txt", needed)
        write(f"python{python}-test.txt", {name: entry for name, entry in tested.items() if name not in needed})


main()

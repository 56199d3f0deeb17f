"""Tests, benchmarks and fuzzing of a checkout."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def lead_import_path() -> None:
    """Let every process that this one starts import from the checkout first, as this one does.

    Dependencies install packages called ``tests``, too (tinyrpc 1.1.7), and programs of a virtual environment, such as
    ``ryu-manager``, would find those.
    """
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", str(CHECKOUT))]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(CHECKOUT), *others])

"""Tests, benchmarks and fuzzing of a checkout."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def checkout_first() -> dict[str, str]:
    """Variables of an environment in which a process imports from the checkout first, as this one does.

    Dependencies install packages called ``tests``, too (tinyrpc 1.1.7), and programs of a virtual environment, such as
    ``ryu-manager``, would find those.
    """
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(CHECKOUT), *others]))}

"""Profiles of labs with another protection of signalling than theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from ryu_pmipls.domain.profile import load_profile


@contextmanager
def protected_profile(path: Path, protection: str | None) -> Iterator[Path]:
    """The file of a profile like that in ``path``, for a while: with ``protection``, if given.

    ``ProfileError`` when the profile is faulty, or becomes so.
    """
    if protection is None:
        yield path
        return
    load_profile(path)  # its faults are reported with its own lines
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["signalling"] = (document.get("signalling") or {}) | {"protection": protection}
    with TemporaryDirectory(prefix="pmipls-") as directory:
        derived = Path(directory) / path.name
        derived.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        yield derived

"""Profiles as files: finding and reading them."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ryu_pmipls.domain.profile.faults import Fault, NoProfileError, Place, ProfileError, field_faults, shortened
from ryu_pmipls.domain.profile.profile import Profile
from ryu_pmipls.domain.profile.section import WholeDocument
from ryu_pmipls.domain.profile.sound_parts import sound_parts
from ryu_pmipls.domain.profile.warnings import warnings
from ryu_pmipls.domain.profile.yaml_document import LinedList, LinedMapping, YamlError, line_of, parse

#: The profile of the default lab.
LAB_PROFILE = "two-lma"
#: Environment variable that names the profile (a path, or the name of a shipped one).
PROFILE_VARIABLE = "PMIPLS_PROFILE"
#: The profile of a host that serves one domain.
HOST_PROFILE = Path("/etc/pmipls/domain.yaml")
#: Profiles that come with the package.
SHIPPED_PROFILES = Path(__file__).resolve().parents[2] / "topologies"
#: Largest size of a profile in octets: a million mobile nodes take 150 MB.
_LARGEST = 2**28
#: Octets read at a time.
_CHUNK = 2**20

_DocumentT = TypeVar("_DocumentT", bound=WholeDocument)


def find_profile(name: str | Path | None = None, *, fallback: str | None = None) -> Path:
    """The file of a profile; ``ProfileError`` tells where it was looked for, ``NoProfileError`` if nothing names one.

    ``name`` (a path, or the name of a shipped profile) comes first, then ``$PMIPLS_PROFILE``, then
    ``/etc/pmipls/domain.yaml``, then ``fallback``, a shipped profile that only commands of a lab have: a host that
    serves a domain must not serve a lab's because nobody has named another.
    """
    if name is not None:
        return find_file(name, SHIPPED_PROFILES, "profile")
    named = os.environ.get(PROFILE_VARIABLE)
    if named:
        try:
            return find_file(named, SHIPPED_PROFILES, "profile")
        except ProfileError as error:
            raise ProfileError(f"${PROFILE_VARIABLE}: {error}") from None
    try:
        if HOST_PROFILE.exists():
            return HOST_PROFILE
    except OSError as error:
        raise ProfileError(f"{HOST_PROFILE}: cannot be read: {_reason(error)}") from None
    if fallback is not None:
        return find_file(fallback, SHIPPED_PROFILES, "profile")
    raise NoProfileError(
        f"no profile: none is named, ${PROFILE_VARIABLE} is not set, and there is no {HOST_PROFILE}; "
        f"name one by --profile FILE, or by {PROFILE_VARIABLE}=FILE in the environment ({LAB_PROFILE} is the default "
        "lab's)"
    )


def find_file(name: str | Path, folder: Path, kind: str) -> Path:
    """The file with that path, or that name in ``folder``; ``ProfileError`` lists the files of this ``kind`` there."""
    path, shipped = Path(name), folder / f"{name}.yaml"
    try:
        if path.exists() and not path.is_dir():
            return path
        if shipped.is_file():
            return shipped
        if path.is_dir():
            raise ProfileError(f"{path}: is a directory, not a {kind}")
    except (OSError, ValueError) as error:
        raise ProfileError(f"{shortened(str(name))}: cannot be read: {_reason(error)}") from None
    names = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
    raise ProfileError(f"{name}: there is no such file, and no shipped {kind} of that name; shipped: {names}")


def load_profile(name: str | Path | None = None, *, fallback: str | None = None) -> Profile:
    """Read and validate a profile (see :func:`find_profile`); ``ProfileError`` lists all its faults."""
    return load_document(find_profile(name, fallback=fallback), Profile)


def warning_lines(path: Path, profile: Profile) -> list[str]:
    """Warnings about the valid profile in a file, for its administrator: a line each, with file, line and place."""
    found = [*warnings(profile)]
    if not found:
        return []
    document, _ = parse(_text(path))
    return [f"{path}:{line}: {text}" for line, text in _reported(found, document)]


def load_document(path: Path, model: type[_DocumentT]) -> _DocumentT:
    """Read a YAML file and validate it as a ``model``; ``ProfileError`` lists all its faults."""
    with _no_garbage_collection():
        return _validated(path, model)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A pause of the cyclic garbage collector, which would go through a million new objects again and again.

    None of them is garbage; the collector takes a quarter of the time to load a large profile.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _validated(path: Path, model: type[_DocumentT]) -> _DocumentT:
    try:
        document, faults = parse(_text(path))
    except YamlError as error:
        raise ProfileError(f"{path}:{error.fault.line}: {error}") from None
    lines = [(fault.line, fault.message) for fault in faults]
    if not isinstance(document, LinedMapping):
        found = "is empty; it " if document is None else ""
        raise ProfileError(f"{path}:1: {found}must be a mapping with the keys {', '.join(model.model_fields)}")
    try:
        valid = model.model_validate(document)
    except ValidationError as error:
        lines += _reported(
            [*field_faults(error, model), *model.inconsistencies(sound_parts(model, document))], document
        )
    if lines:
        lines.sort(key=lambda fault: fault[0])
        raise ProfileError("\n".join(f"{path}:{line}: {text}" for line, text in lines))
    return valid


def _text(path: Path) -> str:
    octets = bytearray()
    try:
        with path.open("rb") as file:
            while part := file.read(_CHUNK):
                octets += part
                if len(octets) > _LARGEST:
                    raise ProfileError(f"{path}: is larger than {_LARGEST >> 20} MiB")
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read: {_reason(error)}") from None
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ProfileError(f"{path}:{line}: is not text in UTF-8: octet {octets[error.start]:#04x}") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _reported(faults: Iterable[Fault], document: LinedMapping) -> list[tuple[int, str]]:
    """Each fault's line, and its text with the place and the names of the items on the way."""
    found = []
    for place, message, other in faults:
        text = "".join(_steps(place, document, labelled=True))
        text = f"{text}: {message}" if place else message
        if other is not None:
            text += f" {''.join(_steps(other, document, labelled=False))} (line {line_of(document, other)})"
        found.append((line_of(document, place), text))
    return found


def _steps(place: Place, document: Any, *, labelled: bool) -> Iterator[str]:
    """A place as a person reads it: ``lmas[0] (lma1): core.port``, or ``lmas[0].core.port`` without labels."""
    node, separator = document, ""
    for step in place:
        inside: Any = None
        if isinstance(node, LinedList) and isinstance(step, int):
            yield f"[{step}]"
            inside, separator = node[step], "."
            if labelled and isinstance(inside, LinedMapping):
                label = inside.get("identifier", inside.get("name"))
                yield f" ({shortened(label)})" if isinstance(label, str) and label.isprintable() else ""
                separator = ": "
        else:
            yield f"{separator}{step}"
            inside, separator = node.get(str(step)) if isinstance(node, LinedMapping) else None, "."
        node = inside

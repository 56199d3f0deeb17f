"""Profiles as files: where they are found, and how they are read."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ryu_pmipls.domain.profile.faults import ProfileError, fault_lines
from ryu_pmipls.domain.profile.profile import Profile

#: The profile that is used when none is named: the one of the default lab.
DEFAULT_PROFILE = "two-lma"
#: Environment variable that names the profile (a path, or the name of a shipped one).
PROFILE_VARIABLE = "PMIPLS_PROFILE"
#: Profiles that come with the package.
SHIPPED_PROFILES = Path(__file__).resolve().parents[2] / "topologies"

_ModelT = TypeVar("_ModelT", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where plain YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                message = f"the key {key!r} is given twice in this mapping"
                raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
        return super().construct_mapping(node, deep)


def find_profile(name: str | Path | None = None) -> Path:
    """The file of a profile: a path, the name of a shipped one, or by default ``$PMIPLS_PROFILE`` or two-lma."""
    return find_file(name or os.environ.get(PROFILE_VARIABLE) or DEFAULT_PROFILE, SHIPPED_PROFILES, "profile")


def find_file(name: str | Path, folder: Path, kind: str) -> Path:
    """A path, or the name of what is shipped in ``folder``; ``ProfileError`` tells what ``kind`` of it there is."""
    if Path(name).is_file():
        return Path(name)
    shipped = folder / f"{name}.yaml"
    if shipped.is_file():
        return shipped
    names = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
    raise ProfileError(f"{name}: there is no such file, and no shipped {kind} of that name; shipped: {names}")


def load_profile(name: str | Path | None = None) -> Profile:
    """Read and validate a profile (see :func:`find_profile`); ``ProfileError`` tells all that is wrong with it."""
    return load_model(find_profile(name), Profile)


def load_model(path: Path, model: type[_ModelT]) -> _ModelT:
    """Read a YAML file and validate it as a ``model``; ``ProfileError`` tells all that is wrong with it."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ProfileError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise ProfileError(f"{path}: must be a mapping with the keys {', '.join(model.model_fields)}")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise ProfileError("\n".join(f"{path}: {line}" for line in fault_lines(error, model))) from None

"""Kinds of values on the command line: what is allowed, and what a shell may complete."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType


def _completions(allowed: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in allowed if name.startswith(incomplete)]


class ProfileName(StringParamType):
    """A file, or the name of a shipped profile."""

    name = "profile"

    def shell_complete(self, context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ryu_pmipls.domain.profile import SHIPPED_PROFILES

        return _shipped_or_file(SHIPPED_PROFILES, incomplete)


class ScenarioName(StringParamType):
    """A file, or the name of a shipped scenario."""

    name = "scenario"

    def shell_complete(self, context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ryu_pmipls.domain.profile import SHIPPED_PROFILES

        return _shipped_or_file(SHIPPED_PROFILES / "scenarios", incomplete)


def _shipped_or_file(folder: Path, incomplete: str) -> list[CompletionItem]:
    shipped = _completions(sorted(path.stem for path in folder.glob("*.yaml")), incomplete)
    return shipped or [CompletionItem(incomplete, type="file")]


class NodeName(StringParamType):
    """Name of a node of the domain; ``kinds`` are fields of a profile: ``mags``, ``lmas``, ``mobile_nodes``.

    Whether there is such a node, the profile that the command reads, the lab or the RMS tell. A shell completes by the
    profile that applies: that of the running lab if ``of_lab``.
    """

    name = "node"

    def __init__(self, *kinds: str, others: tuple[str, ...] = (), of_lab: bool = False) -> None:
        self._kinds, self._others, self._of_lab = kinds, others, of_lab

    def shell_complete(self, context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ryu_pmipls.domain.profile import LAB_PROFILE, ProfileError, load_profile
        from ryu_pmipls.lab.lab import Lab
        from ryu_pmipls.lab.lab_error import LabError

        try:
            if self._of_lab:
                profile = Lab.find(context.params.get("prefix")).profile
            else:
                profile = load_profile(context.params.get("profile"), fallback=LAB_PROFILE)
        except (ProfileError, LabError):
            return []
        names = [node.name for kind in self._kinds for node in getattr(profile, kind)]
        return _completions([*names, *self._others], incomplete)


class LabPrefix(StringParamType):
    """Prefix of a lab that is up."""

    name = "prefix"

    def shell_complete(self, context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ryu_pmipls.lab.cleanup import prefixes

        return _completions(prefixes(), incomplete)


class RmsUrl(StringParamType):
    """Address of an RMS: ``HOST:PORT`` or an http(s) URL without a path; the value is the URL."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> str:
        from ryu_pmipls.http.client import base_url_from

        try:
            return base_url_from(value)
        except ValueError as error:
            self.fail(str(error), param, context)


class Moment(StringParamType):
    """A moment in the past: a span such as 10m, 2h or 7d ago, or a local date and time; in seconds since 1970."""

    name = "moment"
    _UNITS: ClassVar = {"s": 1, "m": 60, "h": 3600, "d": 86400}

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        if isinstance(value, float):
            return value
        span = re.fullmatch(r"([0-9]{1,9})([smhd])", value)
        if span is not None:
            return time.time() - int(span[1]) * self._UNITS[span[2]]
        try:
            return datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError, OSError):
            self.fail(f"{value!r} is neither a span such as 10m, 2h or 7d nor a time such as 2026-12-01T14:30.")


class FiniteRange(click.FloatRange):
    """A range of numbers, without infinity and what is no number."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        number = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, context)
        return number

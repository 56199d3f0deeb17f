"""A check, its findings, and the run of all checks of a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

FactsT = TypeVar("FactsT")


class HostRole(str, Enum):
    """Role of a host, or of a network namespace of a lab, in a domain."""

    LAB = "lab"  # the machine of an existing or planned lab
    RMS = "rms"
    LMA = "lma"
    MAG = "mag"
    CORE = "core"  # router of the core network
    LINK = "link"  # network between nodes, made of bridges
    MOBILE_NODE = "mobile node"


#: Roles of hosts with a switch.
SWITCHES = frozenset({HostRole.MAG, HostRole.LMA})
#: Roles of machines that a person has set up.
HOSTS = frozenset({HostRole.LAB, HostRole.RMS}) | SWITCHES
EVERY_ROLE = frozenset(HostRole)

#: Command for checks that only root may make: with PATH, because sudo has another one.
AS_ROOT = "sudo env PATH=$PATH pmipls doctor"


class Level(str, Enum):
    """Severity of a finding."""

    OK = "ok"
    UNKNOWN = "unknown"  # could not be examined
    WARNING = "warning"  # works, but not as well, or not as tested
    WRONG = "wrong"  # something cannot work


@dataclass(frozen=True)
class Verdict:
    """Verdict of a check: what it ``found``, in a line, and ``what_to_do`` about it: a command, or a line with one."""

    level: Level
    found: str
    what_to_do: str = ""


def ok(found: str) -> Verdict:
    return Verdict(Level.OK, found)


def unknown(found: str, what_to_do: str = "") -> Verdict:
    return Verdict(Level.UNKNOWN, found, what_to_do)


def warning(found: str, what_to_do: str) -> Verdict:
    return Verdict(Level.WARNING, found, what_to_do)


def wrong(found: str, what_to_do: str) -> Verdict:
    return Verdict(Level.WRONG, found, what_to_do)


@dataclass(frozen=True)
class Check(Generic[FactsT]):
    """A question about the facts of a host or a node, for some ``roles``: ``verdict`` answers it.

    ``looks_at``, ``why`` and ``remedy`` are for ``docs/doctor.md``.
    """

    title: str
    roles: frozenset[HostRole]
    looks_at: str
    why: str
    remedy: str
    verdict: Callable[[FactsT], Verdict]


@dataclass(frozen=True)
class Finding:
    """The verdict of the check called ``check`` on ``subject``: a host or a node."""

    subject: str
    check: str
    verdict: Verdict

    @property
    def fault(self) -> bool:
        """True when a person should do something."""
        return self.verdict.level in (Level.WARNING, Level.WRONG)

    @property
    def wrong(self) -> bool:
        return self.verdict.level is Level.WRONG


def examine(subject: str, checks: Iterable[Check[FactsT]], role: HostRole, facts: FactsT) -> list[Finding]:
    """The findings of all checks for a role, in the order of the checks."""
    return [Finding(subject, check.title, check.verdict(facts)) for check in checks if role in check.roles]

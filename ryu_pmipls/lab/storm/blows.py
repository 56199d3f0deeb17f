"""The kinds of blows of a storm. Pure data: who strikes when and whom, not how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Blow:
    """Something that happens to a domain, ``at`` seconds after the storm's beginning, to ``target``."""

    kind: ClassVar[str]
    at: float
    target: str

    def document(self) -> dict[str, Any]:
        """The blow for a report."""
        return {"kind": self.kind} | asdict(self)

    def detail(self) -> str:
        """Details besides kind and target, for people."""
        return ""


@dataclass(frozen=True)
class Kill(Blow):
    """SIGKILL to a daemon, which its supervisor starts again after ``down`` seconds."""

    kind: ClassVar[str] = "kill"
    down: float

    def detail(self) -> str:
        return f"down for {self.down:.1f} s"


@dataclass(frozen=True)
class Attach(Blow):
    """A mobile node that is nowhere comes to a MAG."""

    kind: ClassVar[str] = "attach"
    mag: str

    def detail(self) -> str:
        return f"to {self.mag}"


@dataclass(frozen=True)
class Detach(Blow):
    """A mobile node's link goes down."""

    kind: ClassVar[str] = "detach"


@dataclass(frozen=True)
class Handoff(Blow):
    """A mobile node moves to another MAG."""

    kind: ClassVar[str] = "handoff"
    mag: str

    def detail(self) -> str:
        return f"to {self.mag}"


@dataclass(frozen=True)
class DrainLma(Blow):
    """The operator drains an LMA."""

    kind: ClassVar[str] = "drain"


@dataclass(frozen=True)
class UndrainLma(Blow):
    """The operator lets a drained LMA take part again."""

    kind: ClassVar[str] = "undrain"


@dataclass(frozen=True)
class ClockStep(Blow):
    """The wall clock of one daemon is set by ``seconds``, forward or back."""

    kind: ClassVar[str] = "clock step"
    seconds: float

    def detail(self) -> str:
        return f"by {self.seconds:+.0f} s"


@dataclass(frozen=True)
class Stranger(Blow):
    """A stranger at a port of ``target``; ``what`` names its doings, ``seed`` decides their octets."""

    kind: ClassVar[str] = "stranger"
    what: str
    seed: int

    def detail(self) -> str:
        return self.what


@dataclass(frozen=True)
class StormTargets:
    """The names of what a storm may strike.

    ``daemons`` may be killed; the wall clocks of ``clocks`` may be set. ``ports``: MAG -> number of its access ports.
    ``attached``: mobile node -> its MAG when the storm begins. ``strangers``: what strangers do -> at whom they may.
    """

    daemons: tuple[str, ...]
    clocks: tuple[str, ...]
    lmas: tuple[str, ...]
    ports: Mapping[str, int]
    attached: Mapping[str, str]
    strangers: Mapping[str, tuple[str, ...]]

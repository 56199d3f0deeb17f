"""The links of a domain: tunnels, those to mobile nodes, and those to the core network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from ryu_pmipls.domain.profile.section import Section
from ryu_pmipls.domain.profile.values import Address, AutonomousSystem, DomainName
from ryu_pmipls.domain.tunnel_kinds import TUNNEL_KINDS


def _known(name: str) -> str:
    """Refuse a kind of tunnel that there is not."""
    *names, last = map(repr, ("auto", *TUNNEL_KINDS))
    if repr(name) not in (*names, last):
        raise ValueError(f"must be {', '.join(names)} or {last}")
    return name


TunnelType = Annotated[str, AfterValidator(_known)]


class TunnelSettings(Section):
    """Encapsulation between MAGs and LMAs (``docs/ovs-setup.md``)."""

    type: TunnelType = "auto"
    underlay_mtu: int = Field(default=1500, ge=1348, le=65535)  # octets
    bfd_interval: float | None = Field(default=0.15, ge=0.01, le=10)  # s; null: tunnels are not watched


#: Octets that the search domains may take in a router advertisement, which must fit into 1280.
_LONGEST_SEARCH_LIST = 512


def _short(domains: tuple[str, ...]) -> tuple[str, ...]:
    octets = sum(len(domain) + 2 for domain in domains)
    if octets > _LONGEST_SEARCH_LIST:
        raise ValueError(f"take {octets} octets in a router advertisement; {_LONGEST_SEARCH_LIST} are allowed")
    return domains


class Access(Section):
    """The links between MAGs and mobile nodes (RFC 4861, sections 6.2.1 and 10; RFC 8106)."""

    advertisement_interval: float = Field(default=600, ge=4, le=1800)  # seconds between unsolicited advertisements
    probes: int = Field(default=3, ge=0, le=10)  # before a binding is extended; 0: nobody is asked
    dns_servers: tuple[Address, ...] = Field(default=(), max_length=8)
    search_domains: Annotated[tuple[DomainName, ...], Field(max_length=8), AfterValidator(_short)] = ()


class Downlink(Section):
    """Downlink routing: BGP, watched by BFD, tells the core network the LMAs it may send to (``docs/downlink.md``)."""

    lma_as: AutonomousSystem = 64513
    core_as: AutonomousSystem = Field(default=64512, validate_default=True)
    bfd_interval: float = Field(default=0.2, ge=0.01, le=10)  # seconds from one packet of an LMA to the next
    bfd_multiplier: int = Field(default=5, ge=2, le=255)  # missing packets in a row that mean a dead LMA
    bird_socket: Path | None = Path("/run/bird/bird.ctl")  # on LMA hosts; null: another routing daemon, not watched

    @field_validator("core_as")
    @classmethod
    def _another(cls, core_as: int, info: ValidationInfo) -> int:
        if core_as == info.data.get("lma_as"):
            raise ValueError("must differ from lma_as")
        return core_as

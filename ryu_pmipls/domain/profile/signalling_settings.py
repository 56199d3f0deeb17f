"""Settings of the signalling between nodes, with its numbers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from ryu_pmipls.domain.profile.section import Section
from ryu_pmipls.domain.profile.values import AbsolutePath, Seconds, Transport


def _free_header_type(number: int) -> int:
    taken = (5, 6, 7, 13, 16, 19, 20)  # PBU, PBA, Binding Error, Heartbeat, revocation, update notification
    if number in taken:
        raise ValueError(f"is the type of another message that is spoken here; all but {taken} are allowed")
    return number


def _protections(value: Any) -> tuple[str, ...]:
    """A protection by its name alone as one of several; ``none`` is no protection."""
    names = () if value == "none" else (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(name in ("ipsec", "keys") for name in names):
        raise ValueError("must be none, keys, ipsec or [ipsec, keys]")
    return tuple(dict.fromkeys(names))


#: Protections of signalling.
Protections = Annotated[tuple[str, ...], BeforeValidator(_protections)]


class InnerTypes(Section):
    """Numbers of the draft's messages inside the experimental Mobility Header type (erratum E1)."""

    model_config = ConfigDict(validate_default=True)

    tunnel_request: int = Field(default=1, ge=0, le=255)
    tunnel_ack: int = Field(default=2, ge=0, le=255)
    load_info: int = Field(default=3, ge=0, le=255)
    load_adjust: int = Field(default=4, ge=0, le=255)
    route_adjust: int = Field(default=5, ge=0, le=255)

    @field_validator("*")
    @classmethod
    def _distinct(cls, number: int, info: ValidationInfo) -> int:
        for other, taken in info.data.items():
            if number == taken:
                raise ValueError(f"{number} is already {other}; the five numbers must differ")
        return number


class Signalling(Section):
    """Signalling between nodes: Mobility Headers in IPv6 (protocol 135), or the same octets in UDP.

    ``keys`` is a file with a key for each pair of nodes (:mod:`ryu_pmipls.signalling.keys`); with it every message is
    authenticated. ``ipsec_keys`` is a file of the same kind for IKEv2, where nodes have no certificates.
    """

    transport: Transport = "raw"
    udp_port: int = Field(default=5436, ge=1, le=65535)
    rate_limit: int = Field(default=5000, ge=1, le=1000000)  # messages of one peer in a second
    protection: Protections | None = None  # unless given: keys if there is a file of them
    keys: AbsolutePath | None = None
    ipsec_keys: AbsolutePath | None = None
    replay_window: Seconds = 7  # RFC 4285, section 6: how far clocks and transit may be apart
    mobility_header_type: Annotated[int, AfterValidator(_free_header_type)] = Field(default=11, ge=0, le=255)
    inner_types: InnerTypes = InnerTypes()
    vendor_id: int = Field(default=32473, ge=0, lt=2**32)  # RFC 5612: the number for examples
    lenient: bool = True  # Route_adjust with the draft's wrong Length is accepted (erratum E3)

    @property
    def ipsec(self) -> bool:
        """True when signalling goes by IPsec alone."""
        return "ipsec" in (self.protection or ())

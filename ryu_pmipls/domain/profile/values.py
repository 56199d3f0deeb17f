"""Types of single values of a profile: addresses, names, ports, durations."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, IPv6Interface, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

#: Prefix of the name of the port for undeliverable packets; the tunnels' MTU follows (``ovs_setup.error_port``).
ERROR_PORT_PREFIX = "icmp-"
#: A label of a domain name (RFC 1123, section 2.1), and the characters of the longest name (RFC 1035, section 2.3.4).
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LONGEST_NAME = 253


def _link_layer(value: Any) -> bytes:
    if isinstance(value, bytes) and len(value) == 6:
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", value):
        octets = bytes.fromhex(value.replace(":", ""))
        if octets[0] & 1:
            raise ValueError("is a group address; a unicast link-layer address is needed")
        return octets
    raise ValueError("must be a link-layer address such as 02:00:00:00:01:01, in quotes")


def format_link_layer(octets: bytes) -> str:
    """Six octets as ``02:00:00:00:01:01``."""
    return octets.hex(":")


def _datapath_id(value: Any) -> int:
    number = int(value, 16) if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{16}", value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 2**64:
        raise ValueError("must be a number from 1 to 0xffffffffffffffff (or 16 hexadecimal digits in quotes)")
    return number


def _text(value: Any) -> Any:
    if isinstance(value, int):  # ipaddress would take a bare number for an address
        raise ValueError("must be text such as fd00:5213::11, in quotes if need be")
    return value


def _unicast(address: IPv6Address) -> IPv6Address:
    if address.is_multicast or address.is_unspecified or address.is_link_local or address.scope_id:
        raise ValueError("must be a unicast IPv6 address that is not link-local")
    return address


def _listen_address(host: str) -> str:
    try:
        ip_address(host)
    except ValueError:
        raise ValueError("must be an IPv6 or IPv4 address to listen on, such as '::' or 127.0.0.1") from None
    return host


def _domain_name(name: str) -> str:
    labels = name.removesuffix(".").split(".")
    if len(name) > _LONGEST_NAME or not all(re.fullmatch(_LABEL, label) for label in labels):
        raise ValueError("must be a domain name such as rms.example.net")
    return name.removesuffix(".").lower()


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path, such as /etc/pmipls/keys: it is read by processes on all nodes")
    return path


def _port_name(name: str) -> str:
    if name.startswith(("t-", "br-", ERROR_PORT_PREFIX)) or name == "u0":
        raise ValueError(
            f"must not be u0 nor begin with t-, br- or {ERROR_PORT_PREFIX}: those are the underlay port, tunnels, "
            "bridges and the port for what cannot be delivered"
        )
    return name


LinkLayerAddress = Annotated[bytes, BeforeValidator(_link_layer), PlainSerializer(format_link_layer, when_used="json")]
DatapathId = Annotated[int, BeforeValidator(_datapath_id)]
Address = Annotated[IPv6Address, BeforeValidator(_text), AfterValidator(_unicast)]
AddressWithLength = Annotated[IPv6Interface, BeforeValidator(_text)]
Prefix = Annotated[IPv6Network, BeforeValidator(_text)]
ListenAddress = Annotated[str, AfterValidator(_listen_address)]
DomainName = Annotated[str, AfterValidator(_domain_name)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
#: Node names become parts of namespace and port names, whose length the kernel limits to 15 characters.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,9}$")]
PortName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,14}$"), AfterValidator(_port_name)]
AutonomousSystem = Annotated[int, Field(ge=1, lt=2**32)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
#: Mobility Headers as IPv6 protocol 135, or the same octets in UDP.
Transport = Literal["raw", "udp"]
Fraction = Annotated[float, Field(gt=0, le=1)]

"""The domain profile: what the administrator of a PMIPv6 domain writes down, validated and frozen.

A profile names the RMS, the LMAs, the MAGs and the mobile nodes with their addresses, and sets every
threshold and timer. All nodes of a domain read the same profile (RFC 5213, section 9: "configured values
must be the same on every node").
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Sequence
from ipaddress import IPv6Address, IPv6Interface, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from ryu_pmipls.loadsharing import OverloadRule, Settings

#: The profile that is used when none is named: the one of the default lab.
DEFAULT_PROFILE = "two-lma"
#: Environment variable that names the profile (a path, or the name of a shipped one).
PROFILE_VARIABLE = "PMIPLS_PROFILE"
#: The port for what cannot be delivered is called so and after the MTU of the tunnels (``ovs_setup.error_port``).
ERROR_PORT_PREFIX = "icmp-"
#: Profiles that come with the package.
SHIPPED_PROFILES = Path(__file__).resolve().parent.parent / "topologies"


class ProfileError(Exception):
    """A profile cannot be used. Its text has one line per fault: file, key path, what is allowed."""


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
#: Node names become parts of namespace and port names, whose length the kernel limits to 15 characters.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,9}$")]
PortName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,14}$"), AfterValidator(_port_name)]
AutonomousSystem = Annotated[int, Field(ge=1, lt=2**32)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
#: Mobility Headers as IPv6 protocol 135, or the same octets in UDP.
Transport = Literal["raw", "udp"]
Fraction = Annotated[float, Field(gt=0, le=1)]
SignsOfDeath = Annotated[tuple[Literal["switch", "tunnels", "agent"], ...], Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Endpoint(_Model):
    """Where a server listens."""

    host: ListenAddress
    port: int = Field(ge=1, le=65535)


class Tunnel(_Model):
    """How MAGs and LMAs encapsulate (``docs/architecture.md``, tunnels)."""

    type: Literal["auto", "srv6", "gre"] = "auto"
    underlay_mtu: int = Field(default=1500, ge=1348, le=65535)  # octets
    bfd_interval: float | None = Field(default=0.15, ge=0.01, le=10)  # s; null: tunnels are not watched


class Node(_Model):
    """A node of the domain that speaks Mobility Headers, at its underlay ``address``."""

    address: Address
    transport: Transport | None = None  # by which it is spoken to; None: signalling.transport


class Rms(Node):
    """The Route Management Server."""

    openflow: Endpoint = Endpoint(host="::", port=6653)
    rest: Endpoint = Endpoint(host="127.0.0.1", port=8080)
    state_directory: Path = Path("/var/lib/pmipls")


class Core(_Model):
    """An LMA's link to the network in which the correspondent nodes are."""

    port: PortName
    address: AddressWithLength
    gateway: Address


class Api(Endpoint):
    """Where an agent serves REST, besides its Unix socket."""

    host: ListenAddress = "127.0.0.1"


class Switch(Node):
    """A host of the domain with an OpenFlow switch: an LMA or a MAG."""

    name: Name
    datapath_id: DatapathId
    api: Api | None = None


class Lma(Switch):
    """A Local Mobility Anchor; ``address`` is its LMAA, ``capacity`` relative to that of the other LMAs."""

    core: Core
    capacity: float = Field(default=1.0, gt=0, allow_inf_nan=False)


class Mag(Switch):
    """A Mobile Access Gateway; ``address`` is its Proxy-CoA."""

    access_ports: tuple[PortName, ...] = Field(min_length=1)


class MobileNode(_Model):
    """A mobile node that may use the domain, known by its identifier (NAI) and link-layer address."""

    name: Name
    identifier: str = Field(min_length=1, max_length=200)
    link_layer_address: LinkLayerAddress
    prefix: Prefix | None = None
    anchor: Name | None = None


class LoadSharing(_Model):
    """When and how uplinks move between LMAs (draft section 3.2, errata E20 to E29)."""

    policy: Literal["draft", "balance", "static"] = "draft"
    redirect_new_sessions: bool = True  # from overloaded LMAs to light ones (RFC 6463)
    cpu_threshold: Fraction = 0.8
    packet_threshold: int = Field(default=60000, ge=0)  # packets in a window, at an LMA of capacity 1
    combine: Literal["and", "or"] = "and"
    hysteresis: float = Field(default=0.1, ge=0, lt=1)  # below cpu_threshold - hysteresis an overload has ended
    cool_down: float | None = Field(default=None, ge=0, le=86400)  # s that a moved MAG rests
    predict: bool = True  # draft: choose targets by the load they would have
    tolerance: float = Field(default=0.05, gt=0, lt=1)  # balance: an LMA may be so far above the mean
    balance_above: Fraction = 0.3  # balance: below this CPU fraction nothing has to be evened out
    max_moves: int = Field(default=10, ge=1)  # balance: in a round; what leaves a dead LMA is not counted
    window: Seconds = 300
    report_interval: Seconds = 10
    evaluation_interval: Seconds = 10

    @model_validator(mode="after")
    def _consistent(self) -> LoadSharing:
        if self.report_interval > self.window:
            raise ValueError("report_interval must not be longer than window")
        if self.hysteresis >= self.cpu_threshold:
            raise ValueError("hysteresis must be less than cpu_threshold")
        return self

    @property
    def rest_after_move(self) -> float:
        """Seconds for which a MAG that was moved is left alone (erratum E25).

        A policy that also acts where there is no overload has the patience not to move the same MAG to and fro.
        """
        windows = 12 if self.policy == "balance" else 1
        return windows * self.window if self.cool_down is None else self.cool_down

    @property
    def settings(self) -> Settings:
        """The same as the policies take it."""
        return Settings(
            policy=self.policy,
            rule=OverloadRule(
                cpu_threshold=self.cpu_threshold,
                packet_threshold=self.packet_threshold,
                combine=self.combine,
                hysteresis=self.hysteresis,
            ),
            cool_down=self.rest_after_move,
            predict=self.predict,
            tolerance=self.tolerance,
            balance_above=self.balance_above,
            max_moves=self.max_moves,
        )


class Failure(_Model):
    """When an LMA counts as dead: all signs of one of the combinations in ``dead_when`` show (``docs/failure.md``)."""

    dead_when: Annotated[tuple[SignsOfDeath, ...], Field(min_length=1)] | None = None
    missing_echoes_allowed: int = Field(default=2, ge=1, le=10)  # a switch that leaves more unanswered is silent
    agent_silent_after: Seconds | None = None  # three report intervals unless given


def _free_header_type(number: int) -> int:
    taken = (5, 6, 7, 13, 16, 19, 20)  # PBU, PBA, Binding Error, Heartbeat, revocation, update notification
    if number in taken:
        raise ValueError(f"is the type of another message that is spoken here; all but {taken} are allowed")
    return number


class InnerTypes(_Model):
    """Numbers of the draft's messages inside the experimental Mobility Header type (erratum E1)."""

    tunnel_request: int = Field(default=1, ge=0, le=255)
    tunnel_ack: int = Field(default=2, ge=0, le=255)
    load_info: int = Field(default=3, ge=0, le=255)
    load_adjust: int = Field(default=4, ge=0, le=255)
    route_adjust: int = Field(default=5, ge=0, le=255)

    @model_validator(mode="after")
    def _distinct(self) -> InnerTypes:
        if len({*self.model_dump().values()}) < 5:
            raise ValueError("the five numbers must differ")
        return self


class Signalling(_Model):
    """How the nodes talk: Mobility Headers in IPv6 (protocol 135), or the same octets in UDP.

    ``keys`` is a file with a key for each pair of nodes (:mod:`ryu_pmipls.signalling.keys`); with it every message is
    authenticated.
    """

    transport: Transport = "raw"
    udp_port: int = Field(default=5436, ge=1, le=65535)
    rate_limit: int = Field(default=5000, ge=1, le=1000000)  # messages of one peer in a second
    keys: Annotated[Path, AfterValidator(_absolute)] | None = None
    replay_window: Seconds = 7  # RFC 4285, section 6: how far clocks and transit may be apart
    mobility_header_type: Annotated[int, AfterValidator(_free_header_type)] = Field(default=11, ge=0, le=255)
    inner_types: InnerTypes = InnerTypes()
    vendor_id: int = Field(default=32473, ge=0, lt=2**32)  # RFC 5612: the number for examples
    lenient: bool = True  # Route_adjust with the draft's wrong Length is accepted (erratum E3)


class Timers(_Model):
    """Protocol timers in seconds (RFC 5213, section 9; RFC 6275, section 12)."""

    binding_lifetime: float = Field(default=3600, ge=4, le=262140)
    timestamp_validity_window: Seconds = 0.3
    min_delay_before_bce_delete: Seconds = 10.0
    max_delay_before_new_bce_assign: Seconds = 1.5
    initial_bindack_timeout: Seconds = 1.0
    max_bindack_timeout: Seconds = 32.0
    tunnel_request_timeout: Seconds = 1.0
    adjust_timeout: Seconds = 1.0
    adjust_tries: int = Field(default=3, ge=1, le=10)
    openflow_echo_interval: Seconds = 0.5
    audit_interval: Seconds | None = 60.0
    heartbeat_interval: Seconds = 60.0  # RFC 5847, section 5, which has 30 to 3600 s
    missing_heartbeats_allowed: int = Field(default=3, ge=1, le=10)


class Handoff(_Model):
    """What becomes of downlink that comes to a MAG for a mobile node that has left (RFC 5949, section 4)."""

    forwarding: bool = True  # sent on to the new MAG by way of an LMA, once the routes lead there
    buffer: int = Field(default=1000, ge=0, le=100000)  # packets for each mobile node that wait for that; 0: none


class Access(_Model):
    """The links between MAGs and mobile nodes (RFC 4861, sections 6.2.1 and 10)."""

    advertisement_interval: float = Field(default=600, ge=4, le=1800)  # seconds between unsolicited advertisements
    probes: int = Field(default=3, ge=0, le=10)  # before a binding is extended; 0: nobody is asked


class Downlink(_Model):
    """How the core network learns to which LMAs it may send: BGP, watched over by BFD (``docs/downlink.md``)."""

    lma_as: AutonomousSystem = 64513
    core_as: AutonomousSystem = 64512
    bfd_interval: float = Field(default=0.2, ge=0.01, le=10)  # seconds from one packet of an LMA to the next
    bfd_multiplier: int = Field(default=5, ge=2, le=255)  # so many missing in a row: the LMA is dead

    @model_validator(mode="after")
    def _consistent(self) -> Downlink:
        if self.lma_as == self.core_as:
            raise ValueError("lma_as and core_as must differ")
        return self


class Correspondent(_Model):
    """The correspondent node of a lab; it is also the gateway of the core network."""

    name: Name = "cn"
    address: AddressWithLength


class LabSettings(_Model):
    """What ``pmipls lab`` needs beyond the domain itself."""

    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,5}$")]
    underlay_prefix_length: int = Field(default=64, ge=1, le=127)
    lma_cpu: dict[Name, Fraction] = {}
    correspondent: Correspondent


class Profile(_Model):
    """A PMIPv6 domain with load sharing."""

    domain: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
    home_prefix_pool: Prefix
    tunnel: Tunnel = Tunnel()
    rms: Rms
    lmas: tuple[Lma, ...] = Field(min_length=1)
    mags: tuple[Mag, ...] = Field(min_length=1)
    mobile_nodes: tuple[MobileNode, ...] = ()
    load_sharing: LoadSharing = LoadSharing()
    failure: Failure = Failure()
    signalling: Signalling = Signalling()
    timers: Timers = Timers()
    handoff: Handoff = Handoff()
    access: Access = Access()
    downlink: Downlink = Downlink()
    lab: LabSettings | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Profile:
        faults = [*_repeats(self), *_home_prefix_faults(self), *_failure_faults(self), *_lab_faults(self)]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def dead_when(self) -> tuple[SignsOfDeath, ...]:
        """The combinations of signs by which an LMA counts as dead."""
        if self.failure.dead_when is not None:
            return self.failure.dead_when
        return (("switch", "agent"),) if self.tunnel.bfd_interval is None else (("switch", "tunnels"),)

    @property
    def agent_silent_after(self) -> float:
        """Seconds without a Load_info after which an LMA's agent is silent."""
        given = self.failure.agent_silent_after
        return 3 * self.load_sharing.report_interval if given is None else given

    def transport_of(self, node: Node) -> Transport:
        """By which transport a node is spoken to."""
        return node.transport or self.signalling.transport

    def lma(self, name: str) -> Lma:
        """The LMA of that name; ``KeyError`` with the names there are."""
        return _named(self.lmas, name, "LMA")

    def mag(self, name: str) -> Mag:
        """The MAG of that name; ``KeyError`` with the names there are."""
        return _named(self.mags, name, "MAG")

    def mobile_node(self, name: str) -> MobileNode:
        """The mobile node of that name; ``KeyError`` with the names there are."""
        return _named(self.mobile_nodes, name, "mobile node")

    def anchor_of(self, node: MobileNode) -> Lma:
        """The LMA that anchors a mobile node: the one the profile says, else the first."""
        return self.lmas[0] if node.anchor is None else self.lma(node.anchor)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_NamedT = TypeVar("_NamedT", bound=_Named)
_ModelT = TypeVar("_ModelT", bound=BaseModel)


def _named(nodes: Sequence[_NamedT], name: str, kind: str) -> _NamedT:
    for node in nodes:
        if node.name == name:
            return node
    raise KeyError(f"no {kind} is called {name!r}; there are: {_names(nodes)}")


def _names(nodes: Sequence[_Named]) -> str:
    return ", ".join(node.name for node in nodes) or "none"


def _repeats(profile: Profile) -> list[str]:
    """One line for every value that must be unique in the domain and is not."""
    switches: list[tuple[str, Switch]] = [(f"lmas.{index}", lma) for index, lma in enumerate(profile.lmas)]
    switches += [(f"mags.{index}", mag) for index, mag in enumerate(profile.mags)]
    nodes = [(f"mobile_nodes.{index}", node) for index, node in enumerate(profile.mobile_nodes)]
    names = [(f"{place}.name", switch.name) for place, switch in switches]
    names += [(f"{place}.name", node.name) for place, node in nodes]
    addresses = [("rms.address", profile.rms.address)]
    addresses += [(f"{place}.address", switch.address) for place, switch in switches]
    addresses += [(f"lmas.{index}.core.address", lma.core.address.ip) for index, lma in enumerate(profile.lmas)]
    if profile.lab is not None:
        names.append(("lab.correspondent.name", profile.lab.correspondent.name))
        addresses.append(("lab.correspondent.address", profile.lab.correspondent.address.ip))
    uses: list[Sequence[tuple[str, object]]] = [
        names,
        addresses,
        [(f"{place}.datapath_id", f"{switch.datapath_id:#x}") for place, switch in switches],
        [(f"{place}.identifier", node.identifier) for place, node in nodes],
        [(f"{place}.link_layer_address", format_link_layer(node.link_layer_address)) for place, node in nodes],
        [(f"{place}.prefix", node.prefix) for place, node in nodes if node.prefix is not None],
    ]
    for index, mag in enumerate(profile.mags):
        uses.append([(f"mags.{index}.access_ports.{place}", port) for place, port in enumerate(mag.access_ports)])
    faults = []
    for use in uses:
        first: dict[object, str] = {}
        for place, value in use:
            if first.setdefault(value, place) != place:
                faults.append(f"{place}: {value} is already {first[value]}; it must be unique")
    return faults


def _home_prefix_faults(profile: Profile) -> list[str]:
    pool = profile.home_prefix_pool
    faults = []
    if pool.prefixlen > 64:
        faults.append(f"home_prefix_pool: {pool} must be a /64 or shorter, for it is handed out in /64 prefixes")
    fixed = {"rms.address": profile.rms.address}
    fixed |= {f"lmas.{index}.address": lma.address for index, lma in enumerate(profile.lmas)}
    fixed |= {f"lmas.{index}.core.address": lma.core.address.ip for index, lma in enumerate(profile.lmas)}
    fixed |= {f"mags.{index}.address": mag.address for index, mag in enumerate(profile.mags)}
    for place, address in fixed.items():
        if address in pool:
            faults.append(f"{place}: {address} must not lie in home_prefix_pool {pool}")
    lmas = [lma.name for lma in profile.lmas]
    for index, node in enumerate(profile.mobile_nodes):
        place = f"mobile_nodes.{index}"
        if node.anchor is not None and node.anchor not in lmas:
            faults.append(f"{place}.anchor: no LMA is called {node.anchor!r}; allowed: {_names(profile.lmas)}")
        if node.prefix is not None and not (node.prefix.prefixlen == 64 and node.prefix.subnet_of(pool)):
            faults.append(f"{place}.prefix: {node.prefix} must be a /64 of home_prefix_pool {pool}")
    return faults


def _failure_faults(profile: Profile) -> list[str]:
    if profile.tunnel.bfd_interval is not None:
        return []
    return [
        f"failure.dead_when.{index}: nobody watches tunnels while tunnel.bfd_interval is null; allowed: switch, agent"
        for index, signs in enumerate(profile.dead_when)
        if "tunnels" in signs
    ]


def _lab_faults(profile: Profile) -> list[str]:
    lab = profile.lab
    if lab is None:
        return []
    faults = [
        f"lab.lma_cpu.{name}: no LMA is called so; allowed: {_names(profile.lmas)}"
        for name in lab.lma_cpu
        if name not in [lma.name for lma in profile.lmas]
    ]
    underlay = IPv6Interface((profile.rms.address, lab.underlay_prefix_length)).network
    addresses = {f"lmas.{index}.address": lma.address for index, lma in enumerate(profile.lmas)}
    addresses |= {f"mags.{index}.address": mag.address for index, mag in enumerate(profile.mags)}
    for place, address in addresses.items():
        if address not in underlay:
            faults.append(f"{place}: {address} must lie in {underlay}, the lab's underlay, as rms.address does")
    for index, lma in enumerate(profile.lmas):
        if lma.core.gateway != lab.correspondent.address.ip:
            faults.append(
                f"lmas.{index}.core.gateway: must be {lab.correspondent.address.ip} (lab.correspondent.address), "
                "for the correspondent node is the gateway of a lab's core network"
            )
    return faults


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


def fault_lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """What is wrong with a document that should be a ``model``: a line for each fault, with its place in it."""
    lines = []
    for fault in error.errors():
        if fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"]:
            continue  # it is long enough: what is wrong in it, and told for itself, was not counted
        place = ".".join(str(step) for step in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            message = f"unknown key; allowed: {', '.join(_keys_at(model, fault['loc'][:-1]))}"
        elif fault["type"] == "model_type":
            message = f"must be a mapping with the keys {', '.join(_keys_at(model, fault['loc']))}"
        elif fault["type"] == "string_pattern_mismatch":
            message = f"{fault['input']!r} does not match {fault['ctx']['pattern']}"
        lines += [f"{place}: {line}" if place else line for line in message.splitlines()]
    return lines


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    schema = model.model_json_schema()
    node = schema
    for step in location:
        node = node["items"] if isinstance(step, int) else node["properties"][step]
        while "$ref" in node or "anyOf" in node:
            node = node["anyOf"][0] if "anyOf" in node else schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return list(node["properties"])

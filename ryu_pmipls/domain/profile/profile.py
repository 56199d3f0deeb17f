"""The whole profile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field

from ryu_pmipls.domain.profile.certificates_settings import Certificates
from ryu_pmipls.domain.profile.consistency import inconsistencies
from ryu_pmipls.domain.profile.failure_settings import Failure, SignsOfDeath
from ryu_pmipls.domain.profile.faults import Fault
from ryu_pmipls.domain.profile.handoff_settings import HandoffSettings
from ryu_pmipls.domain.profile.lab_settings import LabSettings
from ryu_pmipls.domain.profile.links_settings import Access, Downlink, TunnelSettings
from ryu_pmipls.domain.profile.load_sharing_settings import LoadSharingSettings
from ryu_pmipls.domain.profile.nodes import Lma, Mag, MobileNode, Node, Rms, named
from ryu_pmipls.domain.profile.section import WholeDocument
from ryu_pmipls.domain.profile.signalling_settings import Signalling
from ryu_pmipls.domain.profile.timers_settings import TimerSettings
from ryu_pmipls.domain.profile.values import Prefix, Transport


class Profile(WholeDocument):
    """A PMIPv6 domain with load sharing."""

    domain: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
    home_prefix_pool: Prefix
    tunnel: TunnelSettings = TunnelSettings()
    rms: Rms
    lmas: tuple[Lma, ...] = Field(min_length=1)
    mags: tuple[Mag, ...] = Field(min_length=1)
    mobile_nodes: tuple[MobileNode, ...] = ()
    load_sharing: LoadSharingSettings = LoadSharingSettings()
    failure: Failure = Failure()
    signalling: Signalling = Signalling()
    certificates: Certificates = Certificates()
    timers: TimerSettings = TimerSettings()
    handoff: HandoffSettings = HandoffSettings()
    access: Access = Access()
    downlink: Downlink = Downlink()
    lab: LabSettings | None = None

    @classmethod
    def inconsistencies(cls, sound: Any) -> Iterable[Fault]:
        """Values that do not agree with others (:mod:`.consistency`)."""
        return inconsistencies(sound)

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
        """Transport by which other nodes speak to a node."""
        return node.transport or self.signalling.transport

    def lma(self, name: str) -> Lma:
        """The LMA of that name; ``KeyError`` with the names there are."""
        return named(self.lmas, name, "LMA")

    def mag(self, name: str) -> Mag:
        """The MAG of that name; ``KeyError`` with the names there are."""
        return named(self.mags, name, "MAG")

    def mobile_node(self, name: str) -> MobileNode:
        """The mobile node of that name; ``KeyError`` with the names there are."""
        return named(self.mobile_nodes, name, "mobile node")

    def anchor_of(self, node: MobileNode) -> Lma:
        """The LMA that anchors a mobile node: the one that the profile names, else the first."""
        return self.lmas[0] if node.anchor is None else self.lma(node.anchor)

"""Redirection of new sessions to another LMA: runtime LMA assignment as a proxy-MAG (RFC 6463, section 5.3.2).

The LMA that the MAG asks (rfLMA) passes the PBU on to the LMA chosen for the session (r2LMA), and the r2LMA's PBA back,
with the Redirect option. From then on MAG and r2LMA talk to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from ipaddress import IPv6Address

from ryu_pmipls.mobility.config import AnchorConfig
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.load_adjusts import LoadAdjusts
from ryu_pmipls.mobility.registration import Registration
from ryu_pmipls.mobility.timer_queue import TimerQueue
from ryu_pmipls.wire import (
    AlternateCareOfAddress,
    Attachment,
    Authentication,
    BindingAcknowledgement,
    Drain,
    LoadAdjust,
    MobileNodeIdentifier,
    Option,
    Redirect,
    RedirectCapability,
    RedirectFlag,
    RouteAdjust,
)
from ryu_pmipls.wire.codepoints import BindingAcknowledgementFlag, BindingStatus
from ryu_pmipls.wire.printable import printable

#: Seconds beyond MaxDelayBeforeNewBCEAssign, which an r2LMA may wait itself, until it counts as silent.
PATIENCE = 0.5
#: Answers of an r2LMA that refuses the session; other refusals are about the request itself.
UNWILLING = (
    BindingStatus.REASON_UNSPECIFIED,
    BindingStatus.INSUFFICIENT_RESOURCES,
    BindingStatus.NOT_LMA_FOR_THIS_MOBILE_NODE,
    BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG,
)

Session = tuple[MobileNodeIdentifier, int, bytes]


@dataclass(frozen=True)
class Proxied:
    """The proxy state of a request that was passed on to ``lma``."""

    request: Registration
    lma: IPv6Address


class Redirection:
    """Sessions that are, or must be, at another LMA.

    ``refused(request, status, now)`` is called when the other LMA does not take a session, ``drain(draining, now)``
    when the RMS says that this LMA must have no sessions, or may have them again.
    """

    def __init__(
        self,
        config: AnchorConfig,
        effects: Effects,
        timers: TimerQueue,
        refused: Callable[[Registration, BindingStatus, float], None],
        drain: Callable[[bool, float], None],
    ) -> None:
        #: The LMA for new sessions, as the RMS says; ``None``: this one.
        self.target: IPv6Address | None = None
        self.load_adjust = LoadAdjusts(config, effects, self._apply).receive
        self._config = config
        self._effects = effects
        self._timers = timers
        self._refused = refused
        self._drain = drain
        self._elsewhere: dict[MobileNodeIdentifier, IPv6Address] = {}
        self._sequence = 0
        self._pending: dict[int, Proxied] = {}
        self._sequences: dict[Session, int] = {}

    def _apply(self, message: LoadAdjust, now: float) -> bool:
        """Follow the RMS's choice of the place for new sessions of this LMA (``old_lma``)."""
        here, new = self._config.address, message.new_lma
        if message.old_lma != here or new not in (here, *self._config.redirection_peers):
            text = f"Load_adjust from {message.old_lma} to {new} is not for this LMA"
            self._effects.report("load-adjust-refused", text, old=message.old_lma, new=new)
            return False
        target = None if new == here else new
        if target != self.target:
            self.target = target
            self._effects.report("new-sessions", f"new sessions go to {new}", lma=new)
        drain = message.option(Drain)
        if drain is not None:
            self._drain(bool(drain.draining), now)
        return True

    # Places of mobile nodes

    def learn_anchor(self, message: RouteAdjust) -> None:
        """Learn from a Route_adjust of the RMS which LMA anchors a mobile node, to find it after a handoff."""
        identifier = message.option(MobileNodeIdentifier)
        attachment = message.option(Attachment)
        if identifier is None:
            return
        if attachment is not None and attachment.anchor in self._config.redirection_peers:
            self._elsewhere[identifier] = attachment.anchor
        else:
            self._elsewhere.pop(identifier, None)

    def keep_anchors_of(self, identifiers: Collection[MobileNodeIdentifier]) -> None:
        """Forget where all other mobile nodes are anchored, unless a request of theirs is under way."""
        kept = {*identifiers, *(proxied.request.identifier for proxied in self._pending.values())}
        self._elsewhere = {identifier: lma for identifier, lma in self._elsewhere.items() if identifier in kept}

    def created(self, identifier: MobileNodeIdentifier) -> None:
        """Record that this LMA has a session of the mobile node."""
        self._elsewhere.pop(identifier, None)

    # The proxy-MAG

    def redirect(self, request: Registration, now: float) -> bool:
        """Ask another LMA for a session that is not here; if true, that LMA or ``refused`` will answer."""
        if request.message.lifetime == 0:
            lma = self._elsewhere.get(request.identifier)
        elif request.message.option(RedirectCapability) is None:
            return False
        else:
            lma = self._elsewhere.get(request.identifier, self.target)
        if lma is None or request.source in self._config.redirection_peers:
            return False
        self._pass_on(request, lma, now)
        return True

    def _pass_on(self, request: Registration, lma: IPv6Address, now: float) -> None:
        repeated = self._sequences.pop(request.session, None)
        if repeated is None:
            patience = self._config.max_delay_before_new_bce_assign + PATIENCE
            self._timers.set(self._unanswered, request.session, now + patience)
        else:
            del self._pending[repeated]
        self._sequence = (self._sequence + 1) % 2**16
        self._sequences[request.session] = self._sequence
        self._pending[self._sequence] = Proxied(request, lma)
        self._elsewhere[request.identifier] = lma
        # Leave out the capability: the r2LMA must not redirect the request again.
        dropped = (AlternateCareOfAddress, Authentication, RedirectCapability)
        options = tuple(option for option in request.message.options if not isinstance(option, dropped))
        options += (AlternateCareOfAddress(request.care_of_address),)
        self._effects.send(replace(request.message, sequence=self._sequence, options=options), lma)

    def binding_acknowledgement(self, message: BindingAcknowledgement, source: IPv6Address, now: float) -> None:
        """Process the answer of an r2LMA."""
        proxied = self._pending.get(message.sequence)
        if proxied is None or proxied.lma != source or not message.flags & BindingAcknowledgementFlag.P:
            self._effects.report("unmatched-acknowledgement", f"PBA {message.sequence} from {source} ignored")
            return
        request = proxied.request
        self._forget(request.session)
        if message.status in UNWILLING and request.message.lifetime > 0:
            self._not_taken(proxied, BindingStatus(message.status), now)
            return
        options: tuple[Option, ...] = tuple(
            option for option in message.options if not isinstance(option, (Authentication, Redirect))
        )
        if message.status < BindingStatus.REASON_UNSPECIFIED and request.message.lifetime > 0:
            options += (Redirect(RedirectFlag.K, source),)
            text = f"{printable(request.identifier.identifier)} is at {source}"
            self._effects.report("redirected", text, identifier=request.identifier.identifier, lma=source)
        answer = replace(message, sequence=request.message.sequence, options=options)
        self._effects.send(answer, request.source)

    def _unanswered(self, session: Session, now: float) -> None:
        proxied = self._pending[self._sequences[session]]
        self._forget(session)
        if proxied.request.message.lifetime > 0:
            self._not_taken(proxied, BindingStatus.INSUFFICIENT_RESOURCES, now)

    def _not_taken(self, proxied: Proxied, status: BindingStatus, now: float) -> None:
        identifier = proxied.request.identifier
        self._elsewhere.pop(identifier, None)
        text = f"{proxied.lma} does not take {printable(identifier.identifier)}: {status.name}"
        self._effects.report("redirection-failed", text, identifier=identifier.identifier, lma=proxied.lma)
        self._refused(proxied.request, status, now)

    def _forget(self, session: Session) -> None:
        del self._pending[self._sequences.pop(session)]
        self._timers.cancel(self._unanswered, session)

"""Fuzz target: the machine of a MAG. The input chooses what happens to it; its state has to stay consistent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.mobility import Advertise, BindingState, GatewayConfig, MobileAccessGateway, RecordedBinding
from ryu_pmipls.wire import (
    BindingAcknowledgement,
    BindingUpdate,
    HomeNetworkPrefix,
    Redirect,
    RedirectFlag,
    RouteAdjust,
    TunnelAck,
)
from ryu_pmipls.wire.codepoints import BindingAcknowledgementFlag
from tests.fuzz.events import ADDRESSES, LIFETIMES, NODES, PREFIXES, Input, carried_out, play, timers
from tests.unit.mobility.mobility_helpers import LMA1, LMA2, MAG1, RMS, START

LMAS = (LMA1, LMA2)
PORTS = (1, 2, 3)
LINKS = (*(node.link_layer_address for node in NODES), b"\x02\0\0\0\xff\xff")
CONFIG = GatewayConfig(address=MAG1, rms=RMS, lmas=LMAS, mobile_nodes=NODES, redirection=True)
#: The same, and one that advertises unasked and makes sure that nodes are there.
CONFIGS = (CONFIG, replace(CONFIG, advertisement_interval=600.0, probes=3))
#: Requests that may still be answered.
MOST_REQUESTS = 8
STATUSES = (0, 0, 0, 0, 1, 128, 130, 152, 153, 155, 156, 157, 159)


def execute(data: bytes) -> None:
    events = Input(data)
    mag = MobileAccessGateway(events.pick(CONFIGS))
    mag.start(START)
    requests: dict[int, tuple[BindingUpdate, IPv6Address]] = {}  # the last ones, by sequence number
    reports: dict[IPv6Address, RouteAdjust] = {}  # the last ones, by prefix

    def link() -> bytes:
        return events.pick(LINKS)

    def attached(now: float) -> None:
        mag.attach(link(), events.pick(PORTS), now)

    def detached(now: float) -> None:
        mag.detach(events.pick(PORTS), now)

    def departed(now: float) -> None:
        mag.depart(link(), now)

    def heard(now: float) -> None:
        mag.reachable(link(), events.pick(PORTS), now)

    def probed(now: float) -> None:
        mag.answered(link(), events.pick(PORTS), now)

    def received(now: float) -> None:
        mag.receive(events.message(now), events.pick(ADDRESSES), now)

    def raw(now: float) -> None:
        source = events.pick(ADDRESSES)
        message = events.datagram(source, MAG1)
        if message is not None:
            mag.receive(message, source, now)

    def answered(now: float) -> None:
        """An LMA answers one of the last requests, by and large as it should."""
        if not requests:
            return
        request, anchor = events.pick(list(requests.values()))
        prefixes = [events.prefix() for _ in range(events.pick((1, 1, 0, 2)))]
        kept = [option for option in request.options if not isinstance(option, HomeNetworkPrefix)]
        more = [*events.more_options(now), *events.pick(((), (), (Redirect(RedirectFlag.K, LMA2),)))]
        options = events.pick(([*kept, *prefixes, *more], [*more, *kept, *prefixes]))
        flags = events.pick((*(BindingAcknowledgementFlag.P,) * 3, BindingAcknowledgementFlag(0)))
        answer = BindingAcknowledgement(
            events.pick(STATUSES), request.sequence, events.pick(LIFETIMES), flags, options=tuple(options)
        )
        mag.receive(answer, events.pick((anchor, anchor, LMA1, LMA2)), now)

    def confirmed(now: float) -> None:
        """The RMS answers one of the last reports."""
        if reports:
            mag.receive(events.pick(list(reports.values())), RMS, now)

    def asked(now: float) -> None:
        """An LMA accepts a tunnel."""
        lma = events.pick(LMAS)
        mag.receive(TunnelAck(lma), lma, now)

    def resumed(now: float) -> None:
        """An earlier process had a node."""
        prefix = IPv6Network((events.pick(PREFIXES), 64), strict=False)
        mag.resume(RecordedBinding(link(), events.pick(PORTS), (prefix,), events.pick((*ADDRESSES, None))), now)

    happenings: tuple[Callable[[float], None], ...] = (
        attached,
        answered,
        received,
        confirmed,
        detached,
        asked,
        raw,
        departed,
        heard,
        probed,
        lambda now: mag.tunnel_built(events.pick(LMAS), now),
        lambda now: mag.tunnel_failed(events.pick(LMAS), now),
        resumed,
    )

    def check(now: float) -> None:
        effects = mag.effects()
        for effect in carried_out(effects, MAG1):
            if isinstance(effect.message, BindingUpdate):
                requests[effect.message.sequence] = effect.message, effect.destination
                while len(requests) > MOST_REQUESTS:
                    del requests[next(iter(requests))]
            elif isinstance(effect.message, RouteAdjust):
                reports[effect.message.prefix] = effect.message
        for effect in effects:
            if isinstance(effect, Advertise):
                assert effect.lifetime >= 0 and effect.prefixes, effect
        consistent(mag, now)

    play(mag, events, lambda now: events.pick(happenings)(now), check)


def consistent(mag: MobileAccessGateway, now: float) -> None:
    """What always holds of a MAG."""
    bindings, due, sessions = set(mag.bindings), timers(mag), mag._sessions
    links = {entry.policy.link_layer_address for entry in bindings}
    assert len(links) == len(bindings), "a node has two entries"
    for entry in bindings:
        names, holds = due[id(entry)], bool(entry.prefixes)
        next_step = names & {"_refresh", "_deferred", "_unanswered", "_probe", "_register_late"}
        assert len(next_step) == 1, names
        assert holds == ("_expire" in names) and (not holds or now < entry.expires), "holds what has expired"
        assert ("_advertise" in names) == (holds and mag.config.advertisement_interval is not None), names
        request = entry.request
        assert request is None or "_refresh" not in names, names
        assert request is not None or not names & {"_deferred", "_unanswered"}, names
        assert entry.state is not BindingState.DEREGISTERING or names <= {"_deferred", "_unanswered"}, names
        assert request is None or request.sequence is None or sessions._updates._pending[request.sequence] is entry, (
            "no answer fits"
        )
        assert ("_probe" in names) == (entry in sessions._reachability._inquiries), names
        assert not entry.elsewhere or names & {"_probe", "_register_late"}, "nobody finds out whether it is here"
        assert ("_ask_again" in names) == (entry in sessions._claims._inquiries._inquiries), names
        assert entry.anchor in LMAS
    assert bindings >= set(sessions._updates._pending.values()) | set(sessions._reachability._inquiries)
    assert bindings >= set(sessions._claims._inquiries._inquiries)
    assert len(mag.contested_ports(now)) <= len(LINKS) * len(PORTS)
    assert bindings >= set(sessions._advertising._schedules) | set(sessions._advertising._allowance)
    assert set(mag.uplinks) <= set(LMAS) and sum(mag.uplinks.values()) == 1 and min(mag.uplinks.values()) > 0
    for adjusted in mag._routes._adjustments:
        assert (mag._routes._transmit, adjusted) in mag._timers._due, "a report is never sent"
    deadline = mag.deadline()
    assert deadline is None or deadline > now, "what is due was not done"
    assert len(mag._timers._heap) <= 2 * len(mag._timers._due) + 65, "cancelled timers take room"

"""Fuzz target: the machine of an LMA. The input chooses what happens to it; its state has to stay consistent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ryu_pmipls.mobility import AnchorConfig, LocalMobilityAnchor
from ryu_pmipls.wire import BindingAcknowledgement, BindingUpdate, RedirectCapability
from ryu_pmipls.wire.codepoints import BindingAcknowledgementFlag
from tests.fuzz.events import ADDRESSES, NODES, POOL, Input, carried_out, play, timers
from tests.unit.mobility.mobility_helpers import LMA1, LMA2, MAG1, MAG2, MAG3, RMS, START

MAGS = (MAG1, MAG2, MAG3)
#: The holder of each prefix that the profile gives to a node.
FIXED = {prefix: node.identifier for node in NODES for prefix in node.prefixes}
CONFIG = AnchorConfig(
    address=LMA1,
    rms=RMS,
    mags=MAGS,
    pool=POOL,
    mobile_nodes=NODES,
    max_bindings_per_mag=3,
    redirection_peers=(LMA2,),
)


def execute(data: bytes) -> None:
    events = Input(data)
    inherited = {POOL.prefix(0): NODES[0].identifier, POOL.prefix(1): b"gone@example.net"}
    lma = LocalMobilityAnchor(CONFIG, inherited if events.number(4) == 3 else {})
    lma.start(START)

    def received(now: float) -> None:
        lma.receive(events.message(now), events.pick(ADDRESSES), now)

    def raw(now: float) -> None:
        source = events.pick(ADDRESSES)
        message = events.datagram(source, LMA1)
        if message is not None:
            lma.receive(message, source, now)

    def registered(now: float) -> None:
        lma.receive(events.update(now), events.pick(MAGS), now)

    def redirectable(now: float) -> None:
        update = events.update(now)
        options = (*update.options, RedirectCapability())
        lma.receive(BindingUpdate(update.sequence, update.lifetime, update.flags, options=options), MAG1, now)

    def answered(now: float) -> None:
        """The other LMA answers a request that was passed on to it."""
        status, options = events.pick((0, 128, 130, 155, events.number())), events.more_options(now)
        flags = events.pick((BindingAcknowledgementFlag.P, BindingAcknowledgementFlag(0)))
        answer = BindingAcknowledgement(status, events.number(4), events.number(), flags, options=options)
        lma.receive(answer, LMA2, now)

    def revoked(now: float) -> None:
        lma.revoke(events.pick(NODES).identifier, now)

    happenings: tuple[Callable[[float], None], ...] = (
        registered,
        received,
        redirectable,
        answered,
        raw,
        lambda now: lma.tunnel_built(events.pick(MAGS), now),
        lambda now: lma.tunnel_failed(events.pick(MAGS), now),
        lma.drain,
        lma.undrain,
        revoked,
    )
    play(lma, events, lambda now: events.pick(happenings)(now), lambda now: check(lma, now))


def check(lma: LocalMobilityAnchor, now: float) -> None:
    """What always holds of an LMA."""
    carried_out(lma.effects(), LMA1)
    bindings = lma.bindings
    held = [prefix for entry in bindings for prefix in entry.prefixes]
    assert len(held) == len(set(held)), "a prefix is held twice"
    due = timers(lma)
    for entry in bindings:
        assert entry.prefixes and entry.care_of_address in MAGS
        for prefix in entry.prefixes:
            assert FIXED.get(prefix, entry.identifier.identifier) == entry.identifier.identifier, "of another's profile"
            assert prefix in FIXED or (
                prefix in POOL and lma._leases._holders.get(prefix) == entry.identifier.identifier
            ), "a prefix that is not leased to its node"
            assert lma._cache._by_prefix[prefix] is entry
        assert now < entry.expires <= now + CONFIG.binding_lifetime, "the end of a session"
        assert due[id(entry)] == ({"_delete"} if entry.leaving else {"_expire"}), due[id(entry)]
    assert len(lma._cache._by_prefix) == len(held)
    loads = Counter(entry.care_of_address for entry in bindings)
    assert loads == Counter(lma._cache._load), "the sessions of a MAG are counted"
    for identifier in lma._waiting:
        assert (lma._waited, identifier) in lma._timers._due, "a request waits for ever"
    assert set(lma._redirection._sequences.values()) == set(lma._redirection._pending)
    assert set(lma.routes.values()) <= set(MAGS)
    deadline = lma.deadline()
    assert deadline is None or deadline > now, "what is due was not done"
    assert len(lma._timers._heap) <= 2 * len(lma._timers._due) + 65, "cancelled timers take room"

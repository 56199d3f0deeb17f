"""The MAG's reactions to refused registrations (RFC 5213, section 6.9.1.2)."""

from __future__ import annotations

from enum import Enum, auto

from ryu_pmipls.wire.codepoints import BindingStatus


class Reaction(Enum):
    """The reaction of a MAG to a refused registration."""

    GIVE_UP = auto()  # until the mobile node attaches again
    BAR = auto()  # until an administrator acts, which is a restart
    ASK_FOR_ANY = auto()  # register again, once, with whatever prefix the LMA assigns
    ASK_ANOTHER = auto()  # register with an LMA not asked yet, if redirection is allowed
    TRY_AGAIN = auto()  # after a look at the clock: the next retransmission, with its new timestamp, may do better


_REACTIONS: dict[int, Reaction] = {
    BindingStatus.INSUFFICIENT_RESOURCES: Reaction.ASK_ANOTHER,
    BindingStatus.PROXY_REG_NOT_ENABLED: Reaction.BAR,
    BindingStatus.NOT_LMA_FOR_THIS_MOBILE_NODE: Reaction.ASK_ANOTHER,
    BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX: Reaction.ASK_FOR_ANY,
    BindingStatus.BCE_PBU_PREFIX_SET_DO_NOT_MATCH: Reaction.ASK_FOR_ANY,
    BindingStatus.TIMESTAMP_MISMATCH: Reaction.TRY_AGAIN,
    BindingStatus.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED: Reaction.TRY_AGAIN,
}


def reaction_to(status: int) -> Reaction:
    """The reaction to a PBA with this status; to a status that RFC 5213 does not name, the MAG gives up."""
    return _REACTIONS.get(status, Reaction.GIVE_UP)

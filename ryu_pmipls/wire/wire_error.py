"""The exception that the codecs raise on octets that they refuse."""

from __future__ import annotations

from typing import Literal, get_args

#: Reasons for refusing received octets; the names of the counters.
Reason = Literal[
    "truncated",  # ends before its own fixed part does
    "length",  # its length fields and the octets received disagree
    "checksum",  # the checksum is wrong
    "payload-proto",  # Payload Proto is not 59 (RFC 6275, section 9.2)
    "unknown-type",  # a Mobility Header type that is not supported: answer with a Binding Error, status 2
    "unknown-inner-type",  # a type inside the Mobility Header type that is not supported
    "option-length",  # an option runs past the end, or has a length that its type does not allow
    "value",  # a field holds a value that is not allowed
    "source",  # the sender is not the node that the message names
    "hop-limit",  # neighbour discovery from off the link (RFC 4861, section 6.1)
]
REASONS: tuple[Reason, ...] = get_args(Reason)


class WireError(Exception):
    """Refusal of received octets; ``reason`` is one of ``REASONS``, the text names the fault and its place."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason: Reason = reason

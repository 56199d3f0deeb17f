"""Pages of long lists, made in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import nsmallest
from ipaddress import IPv6Address, IPv6Network
from typing import Any, TypeVar

from ryu_pmipls.controller.ryu import give_way, in_turns
from ryu_pmipls.http.application import Page, RestError
from ryu_pmipls.http.pages import page_of
from ryu_pmipls.wire import ROUTE_PREFIX_LENGTH

T = TypeVar("T")

#: Items that are looked at, and documents that are made, in one turn, in some 2 ms.
_LOOKED_AT, _MADE = 8192, 64


def page_in_turns(
    items: Iterable[T], name: Callable[[T], str], document: Callable[[T], Any], limit: int, after: str | None
) -> Page:
    """The page of ``items`` behind the one of the name ``after``, as of ``page_of``."""
    return page_of(in_turns(items, _MADE, pause=give_way), name, document, limit, after)


def page_of_prefixes(
    prefixes: Iterable[bytes], document: Callable[[bytes], Any | None], limit: int, after: str | None
) -> Page:
    """The documents of up to ``limit`` prefixes (8 octets) beyond ``after``, in their order; None is left out.

    ``RestError`` (400) when ``after`` is no prefix.
    """
    left: Iterator[bytes] = in_turns(prefixes, _LOOKED_AT, pause=give_way)
    if after is not None:
        last = home_prefix(after)
        left = (prefix for prefix in left if prefix > last)
    found = nsmallest(limit + 1, left)
    made = (document(prefix) for prefix in in_turns(found[:limit], _MADE, pause=give_way))
    page = [each for each in made if each is not None]
    return Page(page, str(IPv6Network((found[limit - 1] + bytes(8), 64))) if len(found) > limit else None)


def home_prefix(text: str) -> bytes:
    """The 8 octets of a home network prefix, written with its length or without; ``RestError`` (400) for others."""
    try:
        address, _, length = text.partition("/")
        if length not in ("", str(ROUTE_PREFIX_LENGTH)):
            raise ValueError
        return IPv6Network((IPv6Address(address), ROUTE_PREFIX_LENGTH)).network_address.packed[:8]
    except ValueError:
        raise RestError(400, f"{text!r} is no home network prefix such as 2001:db8:100:3::/64") from None

"""Pages of lists whose items have names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ryu_pmipls.http.application import Page, RestError

T = TypeVar("T")


def page_of(
    items: Iterable[T], name: Callable[[T], str], document: Callable[[T], Any], limit: int, after: str | None
) -> Page:
    """The page of ``items`` behind the one of the name ``after``; ``RestError`` (400) when there is none."""
    left = iter(items)
    if after is not None and not any(name(item) == after for item in left):
        raise RestError(400, f"after: there is no {after!r} any more, or there never was")
    page: list[Any] = []
    last = None
    for item in left:
        if len(page) == limit:
            return Page(page, last)
        page.append(document(item))
        last = name(item)
    return Page(page, None)

"""Fuzz target: an HTTP exchange. The first octet of the input says in pieces of how many octets the rest comes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ryu_pmipls.http.access.control import AccessControl, Rules
from ryu_pmipls.http.access.roles import AccessRole, Client
from ryu_pmipls.http.access.tokens import TokenFile
from ryu_pmipls.http.application import Page, Pages, RestApplication
from ryu_pmipls.http.exchange import MAX_BODY, MAX_HEAD, Exchange
from ryu_pmipls.http.pages import page_of
from ryu_pmipls.http.requests import RequestModel, read

PIECES = (2048, 1, 7, 100)


class Command(RequestModel):
    """Arguments of the kinds that commands have."""

    name: str | None = None
    drain: tuple[str, ...] = ()


def _command(document: dict[str, Any], **parts: str) -> Any:
    return read(Command, document).model_dump(mode="json")


def _page(limit: int, after: str | None) -> Page:
    return page_of(range(5), str, str, limit, after)


ACCESS = AccessControl(Rules(unauthenticated=AccessRole.OPERATE), TokenFile(Path("/nonexistent")))
APPLICATION = RestApplication(names=["a"], access=ACCESS)
APPLICATION.serve("/v1", AccessRole.READ, dict)
APPLICATION.serve("/v1/named/{name}", AccessRole.READ, lambda name: {"name": name})
APPLICATION.serve("/v1/list", AccessRole.READ, Pages(_page))
APPLICATION.obey("/v1/named/{name}", AccessRole.OPERATE, _command)


def execute(data: bytes) -> None:
    """Receive until the request is complete, or there is no more; the answer is JSON, and no fault of ours."""
    size, octets = PIECES[data[0] % len(PIECES)] if data else 1, data[1:]
    exchange = Exchange(APPLICATION, Client("::1"))
    received = 0
    for piece in (*_cut(octets, size), b""):
        exchange.receive(piece)
        received += len(piece)
        if exchange.complete:
            break
    else:
        raise AssertionError("not complete at the end")
    assert received <= 8 * (MAX_BODY + MAX_HEAD), "chunks have some octets for each of theirs"
    answer = exchange.answer()
    if not answer:
        return
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 ") and b"application/json" in head
    status = int(head.split(b" ")[1])
    assert status != 500, octets
    if body:
        json.loads(body)


def _cut(octets: bytes, size: int) -> Iterable[bytes]:
    return (octets[begin : begin + size] for begin in range(0, len(octets), size))

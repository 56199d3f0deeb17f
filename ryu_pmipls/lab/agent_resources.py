"""Resources of the agents of a lab, fetched at their Unix sockets."""

from __future__ import annotations

from typing import Any

from ryu_pmipls.agents.api import socket_path
from ryu_pmipls.agents.api_client import request
from ryu_pmipls.lab.lab import Lab

_OK = 200


def ask(lab: Lab, name: str, resource: str) -> Any:
    """The answer of a MAG's or an LMA's agent to a GET of /v1/``resource``; ``OSError`` when there is none."""
    status, document = request(socket_path(name, lab.directory / name), f"/v1/{resource}")
    if status != _OK:
        raise OSError(f"the agent of {name} answers with status {status}: {document}")
    return document

"""The token of local operators: who may read the state directory of a running RMS may operate it.

The file has one line, the RMS's URL and the token, and is written anew at each start.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from ryu_pmipls.domain.profile import is_beyond_loopback
from ryu_pmipls.http.access.tokens import new_secret
from ryu_pmipls.state_files import replace_file

FILE_NAME = "operator-token"
_LARGEST = 4096


def write_local_token(directory: Path, host: str, port: int) -> str:
    """Make a new token for the RMS that listens there, keep it in ``directory``, and return it; raises ``OSError``."""
    secret = new_secret()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(directory / FILE_NAME, f"{url_of(host, port)} {secret}\n")
    return secret


def read_local_token(directories: Iterable[Path], url: str | None) -> str | None:
    """The latest token in state directories that this user may read, if any.

    With a ``url``, only of an RMS at the same port of loopback: others must not get it.
    """
    found = []
    for directory in directories:
        try:
            with (directory / FILE_NAME).open(encoding="ascii") as file:
                served, secret = file.read(_LARGEST).split()
                written = os.fstat(file.fileno()).st_mtime
        except (OSError, ValueError):
            continue
        if url is None or _is_same(served, url):
            found.append((written, secret))
    return max(found)[1] if found else None


def url_of(host: str, port: int, asked_at: str | None = None) -> str:
    """The base URL of a server of REST that listens at ``host``, beyond loopback by TLS; it may be asked elsewhere."""
    asked = asked_at or host
    written = f"[{asked}]" if ":" in asked else asked
    return f"{'https' if is_beyond_loopback(host) else 'http'}://{written}:{port}"


def _is_same(served: str, url: str) -> bool:
    here, there = urlsplit(served), urlsplit(url)
    return here.port == there.port and not is_beyond_loopback(there.hostname or "") and _is_at_loopback(here.hostname)


def _is_at_loopback(host: str | None) -> bool:
    try:
        address = ip_address(host or "")
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified

"""The key by which an LMA makes its grants (``wire/grants.py``)."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address
from pathlib import Path

from ryu_pmipls.state_files import replace_file
from ryu_pmipls.wire.grants import KEY_OCTETS, derived_key

LOG = logging.getLogger(__name__)


class GrantKeys:
    """The key that follows from the secret shared with the RMS; without one, a key of the LMA's own, which it keeps.

    ``shared`` gives the secrets shared with a node, the one in use first; ``directory`` has the agent's state.
    """

    def __init__(self, shared: Callable[[IPv6Address], Sequence[bytes]], rms: IPv6Address, directory: Path) -> None:
        self._shared = shared
        self._rms = rms
        #: The key that the RMS must be told; None when it knows it.
        self.announced = None if shared(rms) else own_key(directory)

    def present(self) -> bytes:
        """The key to use now; the key file may have changed."""
        if self.announced is not None:
            return self.announced
        return derived_key(self._shared(self._rms)[0])


def own_key(directory: Path) -> bytes:
    """The LMA's own key; a new one if none is kept, or what is kept is none.

    A new key is no harm: the nodes of a restarted LMA are registered again, and so get new grants.
    """
    path = directory / "grant-key"
    try:
        key = bytes.fromhex(path.read_text())
        if len(key) == KEY_OCTETS:
            return key
        LOG.warning("%s: not a key of %d octets; a new one is made", path, KEY_OCTETS)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        LOG.warning("%s: %s; a new key is made", path, error)
    key = secrets.token_bytes(KEY_OCTETS)
    try:
        replace_file(path, key.hex() + "\n")
    except OSError as error:
        LOG.error("%s: %s; there will be another key after the next restart", path, error.strerror)
    return key

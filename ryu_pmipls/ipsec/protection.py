"""Protection of a host: is everything there that keeps its signalling inside security associations."""

from __future__ import annotations

import os
import subprocess

from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.ipsec.charon import Charon, vici_socket
from ryu_pmipls.ipsec.clear_filter import TABLE, esp_of
from ryu_pmipls.ipsec.errors import IpsecError
from ryu_pmipls.ipsec.pairs import Associations, associations

_TIMEOUT = 15  # seconds for nft(8)
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # not in the PATH of everybody


def require_protection(profile: Profile, node: str) -> None:
    """Do nothing unless the profile wants IPsec; ``IpsecError`` if this host's signalling is not protected then."""
    if not profile.signalling.ipsec:
        return
    wanted = associations(profile, node)
    fault = _fault(wanted)
    if fault:
        raise IpsecError(
            f"signalling.protection is ipsec, but {fault}; 'python -m ovs_setup.ipsec {node}' sets up this host"
        )


def _fault(wanted: Associations) -> str:
    """What is missing for the protection; empty when all is there."""
    try:
        if esp_of(clear_filter_listing(), wanted) is None:
            return f"the rules that drop clear signalling are missing (nftables, table ip6 {TABLE})"
        missing = {peer.name for peer in wanted.peers} - Charon(vici_socket()).connections()
    except IpsecError as error:
        return str(error)
    return f"strongSwan has no connection for {', '.join(sorted(missing))}" if missing else ""


def clear_filter_listing() -> str:
    """The table with the rules of this network namespace, empty if there is none; ``IpsecError`` without nft(8)."""
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:{_SBIN}"}
    argv = ["nft", "-n", "list", "table", "ip6", TABLE]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IpsecError(f"the rules of nftables cannot be listed: {error}") from None
    return done.stdout

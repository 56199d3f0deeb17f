"""Protection of a host: is everything there that keeps its signalling inside security associations."""

from __future__ import annotations

import os
import subprocess

from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.ipsec.charon import Charon, vici_socket
from ryu_pmipls.ipsec.clear_filter import TABLE, esp_of
from ryu_pmipls.ipsec.errors import IpsecError
from ryu_pmipls.ipsec.pairs import associations

_TIMEOUT = 15  # seconds for nft(8)
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # not in the PATH of everybody


def require_protection(profile: Profile, node: str) -> None:
    """Do nothing unless the profile wants IPsec; ``IpsecError`` if this host's signalling is not protected then."""
    fault = protection_fault(profile, node)
    if fault:
        raise IpsecError(
            f"signalling.protection is ipsec, but {fault}; 'python -m ovs_setup.ipsec {node}' sets up this host"
        )


def protection_fault(profile: Profile, node: str) -> str:
    """What is missing on this host for the protection that the profile wants; empty when nothing is."""
    if not profile.signalling.ipsec:
        return ""
    wanted = associations(profile, node)
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
    if "not permitted" in done.stderr:
        raise IpsecError("this user may not list the rules of nftables: CAP_NET_ADMIN is needed")
    return done.stdout

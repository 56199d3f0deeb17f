"""The configuration of strongSwan (swanctl.conf(5)) for a node's associations. Pure.

A connection, named after the peer, for each pair. Both ends initiate it when they start, and again when the other one
is gone, so that a restart of either brings signalling back at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ryu_pmipls.ipsec.clear_filter import Esp
from ryu_pmipls.ipsec.pairs import MOBILITY, Associations, IpsecNode

#: Name of the files with certificate, key, authority and revocation list in the folders of swanctl(8).
CERTIFICATE = "pmipls.pem"
#: Seconds without a sign of life after which a peer is asked for one (RFC 7296, section 2.4).
DEAD_PEER_DELAY = 3
#: Seconds for keys: of IKE, and of the packets. Rekeying may lose packets in user space.
_REKEY_IKE, _REKEY_ESP = 24 * 3600, 8 * 3600
_IKE_PROPOSAL = "aes256gcm16-prfsha384-ecp384"
_ESP_PROPOSAL = "aes256gcm16"

_CONNECTION = """\
    {peer.name} {{
        version = 2
        local_addrs = {own.address}
        remote_addrs = {peer.address}
        proposals = {ike}
        mobike = no
        keyingtries = 0
        unique = replace
        dpd_delay = {dead}s
        rekey_time = {rekey_ike}s
        local {{
            id = {own.identity}
            {local}
        }}
        remote {{
            id = {peer.identity}
            {remote}
        }}
        children {{
            {peer.name} {{
                mode = {mode}
                local_ts = {local_ts}
                remote_ts = {remote_ts}
                esp_proposals = {esp}
                start_action = {start}
                close_action = {start}
                dpd_action = restart
                rekey_time = {rekey_esp}s
            }}
        }}
    }}
"""
_SECRET = """\
    ike-{peer.name} {{
        id-1 = {own.identity}
        id-2 = {peer.identity}
        secret = 0x{secret}
    }}
"""


def configuration(node: Associations, esp: Esp, keys: Mapping[str, bytes] | None) -> str:
    """The connections of a node, authenticated by certificates, or by a pre-shared key for each peer.

    It contains the keys.
    """
    lines = [f"# Made by `python -m ovs_setup.ipsec {node.own.name}`, which writes it anew.", "connections {"]
    lines += [_connection(node, peer, esp, by_keys=keys is not None) for peer in node.peers]
    lines += ["}", ""]
    if keys is not None:
        lines += ["secrets {", *_secrets(node, keys), "}", ""]
    return "\n".join(lines)


def _connection(node: Associations, peer: IpsecNode, esp: Esp, *, by_keys: bool) -> str:
    local, remote = ["auth = psk"], ["auth = psk"]
    if not by_keys:
        local = ["auth = pubkey", f"certs = {CERTIFICATE}"]
        remote = ["auth = pubkey", f"cacerts = {CERTIFICATE}", "revocation = strict"]
    indent = "\n" + 12 * " "
    return _CONNECTION.format(
        own=node.own,
        peer=peer,
        ike=_IKE_PROPOSAL,
        esp=_ESP_PROPOSAL,
        dead=DEAD_PEER_DELAY,
        rekey_ike=_REKEY_IKE,
        rekey_esp=_REKEY_ESP,
        local=indent.join(local),
        remote=indent.join(remote),
        mode="tunnel" if esp is Esp.USER else "transport",
        # Selectors with a protocol never match in kernel-libipsec: nftables sees to that.
        local_ts=_selectors(node.own, node.port, esp),
        remote_ts=_selectors(peer, node.port, esp),
        # The kernel asks for an association when there is something to send; user space cannot.
        start="start" if esp is Esp.USER else "trap|start",
    ).rstrip("\n")


def _selectors(node: IpsecNode, port: int, esp: Esp) -> str:
    host = f"{node.address}/128"
    return host if esp is Esp.USER else f"{host}[{MOBILITY}], {host}[udp/{port}]"


def _secrets(node: Associations, keys: Mapping[str, bytes]) -> Iterator[str]:
    for peer in node.peers:
        yield _SECRET.format(own=node.own, peer=peer, secret=keys[peer.name].hex()).rstrip("\n")

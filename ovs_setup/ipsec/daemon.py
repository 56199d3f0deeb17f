"""The configuration of strongSwan's daemon (strongswan.conf(5)). Pure."""

from __future__ import annotations

from pathlib import Path

from ovs_setup.ipsec.steering import TABLE
from ryu_pmipls.ipsec.clear_filter import Esp

#: A mark that no packet has: without it strongSwan steers all traffic to peers into associations, tunnels included.
_NO_PACKETS_MARK = 0x7777
#: Plugins of a private daemon: what signalling needs, and no other.
_PLUGINS = "random nonce openssl kdf pem pkcs1 pkcs8 x509 pubkey revocation constraints vici socket-default"

#: Retransmissions end after 1 + 1.2 + 1.44 + 1.7 s instead of 165 s: dead peers are noticed, and new ones reached.
_RETRANSMISSION = """\
    retransmit_timeout = 1.0
    retransmit_base = 1.2
    retransmit_tries = 3
"""
_USER_SPACE = """\
        kernel-libipsec {{
            load = yes
            allow_peer_ts = yes
        }}
        kernel-netlink {{
            fwmark = {mark:#x}
        }}
"""
_PRIVATE = """\
charon-systemd {{
    load = {plugins}
{retransmission}\
    routing_table = {table}
    plugins {{
        vici {{
            socket = unix://{socket}
        }}
{user_space}\
    }}
    filelog {{
        stderr {{
            default = 1
            time_format = %b %e %T
            flush_line = yes
        }}
    }}
    start-scripts {{
        pmipls = sh {start}
    }}
}}
"""
_OF_A_HOST = """\
# Made by `python -m ovs_setup.ipsec`: timers for signalling, and packets encrypted in {where}.
charon {{
{retransmission}\
    plugins {{
{user_space}\
    }}
}}
charon-systemd {{
    start-scripts {{
        pmipls = sh {start}
    }}
}}
"""


def private(esp: Esp, socket: Path, start: Path) -> str:
    """The configuration of a daemon of its own, such as a lab's, which executes the script ``start``."""
    return _PRIVATE.format(
        plugins=f"{_PLUGINS} kernel-libipsec kernel-netlink" if esp is Esp.USER else f"{_PLUGINS} kernel-netlink",
        retransmission=_RETRANSMISSION,
        table=TABLE,
        socket=socket,
        user_space=_user_space(esp),
        start=start,
    )


def of_a_host(esp: Esp, start: Path) -> str:
    """What is added to the configuration of a host's own daemon, which loads its connections by itself."""
    return _OF_A_HOST.format(where=esp.value, retransmission=_RETRANSMISSION, user_space=_user_space(esp), start=start)


def _user_space(esp: Esp) -> str:
    return _USER_SPACE.format(mark=_NO_PACKETS_MARK) if esp is Esp.USER else ""

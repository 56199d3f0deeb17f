"""Trial of the kernel's ESP."""

from __future__ import annotations

from ovs_setup.vswitch import OpenVSwitch, OvsError
from ryu_pmipls.ipsec.clear_filter import Esp

_ALGORITHM = ("aead", "rfc4106(gcm(aes))", f"0x{40 * '0'}", "128")
_STATE = ("src", "::1", "dst", "::2", "proto", "esp", "spi", "0x1000", "mode", "transport", *_ALGORITHM)


def esp_here(place: OpenVSwitch) -> Esp:
    """Who can encrypt here: the kernel if it has ESP for IPv6 with AES-GCM, else user space.

    The trial is made in a network namespace that goes at once.
    """
    try:
        place.execute("unshare", "--net", "--", "ip", "xfrm", "state", "add", *_STATE)
    except OvsError:
        return Esp.USER
    return Esp.KERNEL

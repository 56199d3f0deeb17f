"""Room for datagrams that wait at the sockets of a process without CAP_NET_ADMIN: the kernel's limit for all processes.

The RMS asks for 4 MB, so that a whole domain may register at once; Linux grants 0.2 MB unless the limit is raised.
"""

from __future__ import annotations

import re
from pathlib import Path

from ovs_setup.vswitch import OpenVSwitch, OvsError

#: Octets that each socket may ask for.
_OCTETS = 4 * 2**20
_LIMITS = ("net.core.rmem_max", "net.core.wmem_max")
#: The file that raises the limits at each start of the host, with the values before.
LIMITS_FILE = Path("/etc/sysctl.d/60-pmipls.conf")
_BEFORE = re.compile(r"^# before: (\S+ = \d+)$", re.MULTILINE)


def raise_limits(host: OpenVSwitch) -> bool:
    """Raise the limits that are too low, now and at each start; False when none is, or in a container without them."""
    try:
        before = {limit: int(host.execute("sysctl", "-n", limit)) for limit in _LIMITS}
    except OvsError:
        return False
    low = {limit: octets for limit, octets in before.items() if octets < _OCTETS}
    if not low:
        return False
    lines = ["# Made by `python -m ovs_setup.service rms`."]
    for limit, octets in low.items():
        lines += [f"# before: {limit} = {octets}", f"{limit} = {_OCTETS}"]
    LIMITS_FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    host.execute("sysctl", "-qw", *(f"{limit}={_OCTETS}" for limit in low))
    return True


def restore_limits(host: OpenVSwitch) -> bool:
    """Restore the limits; False when they have not been raised."""
    try:
        text = LIMITS_FILE.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    former = [setting.replace(" ", "") for setting in _BEFORE.findall(text)]
    if former:
        host.execute("sysctl", "-qw", *former)
    LIMITS_FILE.unlink()
    return True

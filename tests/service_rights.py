"""Starting a process with the rights that a unit of systemd gives: user, groups, capabilities, mask."""

from __future__ import annotations

import sys
from collections.abc import Mapping

#: ``UMask=`` and ``MemoryDenyWriteExecute=`` (PR_SET_MDWE of prctl(2), from Linux 6.3 on), then the process.
_CONFINE = """
import ctypes, os, sys
os.umask(int(sys.argv[1], 8))
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def service_section(unit: str) -> dict[str, str]:
    """The settings in the [Service] section of a unit; the last of a name counts."""
    lines = unit.partition("[Service]\n")[2].splitlines()
    settings = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name: value for name, _, value in settings}


def with_rights(unit: Mapping[str, str], *argv: str) -> list[str]:
    """A command line that starts ``argv`` with a unit's rights, for root; the unit's user has to be there."""
    assert unit["NoNewPrivileges"] == unit["MemoryDenyWriteExecute"] == "yes"
    ambient = _capabilities(unit["AmbientCapabilities"])  # which systemd makes inheritable, too
    rights = [f"--inh-caps={ambient}", f"--ambient-caps={ambient}"]
    rights += [f"--bounding-set={_capabilities(unit['CapabilityBoundingSet'])}", "--no-new-privs"]
    user = [f"--reuid={unit['User']}", f"--regid={unit['Group']}", "--init-groups"]
    # The mask first, as root: another user may not be able to start the tests' Python a second time.
    return [sys.executable, "-P", "-c", _CONFINE, unit["UMask"], "setpriv", *user, *rights, "--", *argv]


def _capabilities(names: str) -> str:
    """Capabilities as setpriv(1) wants them, and no other."""
    return ",".join(["-all", *(f"+{name.lower().removeprefix('cap_')}" for name in names.split())])

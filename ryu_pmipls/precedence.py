"""A process for which many wait comes before others on its machine, as ovs-ctl has it for Open vSwitch's daemons."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: Nice values go from -20 (first) to 19.
_NICE = -10
_AUTOGROUP = Path("/proc/self/autogroup")


def take_precedence() -> None:
    """Give this process precedence over others, as far as it may; to others nothing changes unless all are busy."""
    with suppress(OSError):  # it takes CAP_SYS_NICE
        nice = min(_NICE, os.getpriority(os.PRIO_PROCESS, 0))  # whoever has started us may have given us more
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        # Linux may share the processors among sessions first (sched(7)), so that nice values count within one only.
        # One that we are not the first process of, say a terminal's, is not ours.
        if os.getsid(0) == os.getpid():
            _AUTOGROUP.write_text(str(nice), encoding="ascii")

"""The sockets by which a userspace datapath takes packets from interfaces (packet(7)).

One thread of ovs-vswitchd takes packets and carries out flow-mods. With Linux's default receive buffer, 0.2 MB, packets
are lost while it is busy with flow-mods: on the underlay port of a MAG the segments that bring the RMS's flow-mods fill
the buffer themselves. Open vSwitch has no setting for it, and the kernel's setting would hold for all processes of the
host.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: Octets that may wait in each socket, as Linux counts them: some thousands of packets.
RECEIVE_BUFFER = 4 * 2**20
# Numbers of Linux that Python lacks.
_PIDFD_GETFD = 438
_SO_RCVBUFFORCE = 33

_libc = ctypes.CDLL(None, use_errno=True)


def enlarge_receive_buffers(pid: int) -> None:
    """Give all packet sockets that a process has open :data:`RECEIVE_BUFFER`, where the kernel allows it.

    Without the right to look into the process, or when it has gone, nothing changes: small buffers work, too.
    """
    with suppress(OSError):
        for packets in packet_sockets(pid):
            packets.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER // 2)  # Linux doubles it


def packet_sockets(pid: int) -> Iterator[socket.socket]:
    """The packet sockets that a process has open, each a copy for one step of the iteration; may raise ``OSError``."""
    process = os.pidfd_open(pid)
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if not entry.readlink().name.startswith("socket:"):
                    continue
            except FileNotFoundError:
                continue  # closed since it was listed
            descriptor = _libc.syscall(_PIDFD_GETFD, process, int(entry.name), 0)
            if descriptor < 0 and ctypes.get_errno() == errno.EBADF:
                continue
            if descriptor < 0:
                raise OSError(ctypes.get_errno(), "no descriptor of another process")
            with socket.socket(fileno=descriptor) as opened:
                if opened.family == socket.AF_PACKET:
                    yield opened
    finally:
        os.close(process)

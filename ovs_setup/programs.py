"""Programs of the system, such as ``ovs-vswitchd``, ``ovsdb-server``, ``bird`` and ``ethtool``."""

from __future__ import annotations

import os

_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def search_sbin() -> None:
    """Append the folders of system programs to ``PATH``: root has them there, except after ``su`` without ``-``."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(dict.fromkeys((*folders, *_FOLDERS)))

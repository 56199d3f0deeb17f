"""Places in the file system of a host that several processes know."""

from __future__ import annotations

from pathlib import Path

#: Directory for what must outlive a restart; agents of a lab keep it in the run directory of their node.
STATE_DIRECTORY = Path("/var/lib/pmipls")
#: Directory with one for each lab that is up.
LAB_DIRECTORY = Path("/run/pmipls")

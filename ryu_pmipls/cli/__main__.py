"""``python -m ryu_pmipls.cli``: the same as ``pmipls``."""

from ryu_pmipls.cli import main

main(prog_name="pmipls")

"""Load sharing, moves, failures and drains, measured: a module each, whose ``measure`` takes a testbed."""

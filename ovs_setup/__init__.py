"""Turn a host, or a network namespace, into a MAG or an LMA: Open vSwitch bridges, addresses, tunnels, CPU quota."""


class OvsSetupError(Exception):
    """What was asked cannot be done here; the text names the place and what is needed."""

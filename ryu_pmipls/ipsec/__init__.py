"""IPsec of signalling, as agents and RMS need it: peers, protection of the host, state of the associations.

``pairs`` and ``clear_filter`` are pure: who has associations with whom, and the nftables rules that let no signalling
pass outside them. ``charon`` asks strongSwan, ``protection`` finds out whether all is in place, ``watch`` keeps the
state of the associations for health. ``ovs_setup.ipsec`` sets up a host.
"""

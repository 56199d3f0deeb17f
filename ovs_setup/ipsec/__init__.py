"""IPsec with IKEv2 for the signalling of a node (``docs/security.md``).

``connections``, ``daemon`` and ``steering`` are pure: the texts for strongSwan, and the routing that leads signalling
into associations. ``esp`` tries what the kernel can do, ``set_up`` does it all on a host, or in a lab's namespace.
"""

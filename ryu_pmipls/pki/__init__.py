"""The certificates of a domain's nodes, and the authority on files that issues them (``docs/security.md``).

``node_names``, ``certificates`` and ``validity`` are pure: what a certificate says, and its state at a given time.
``folder`` knows what is where, ``files`` reads and writes it, ``authority`` changes it, ``examined_certificates`` has
the state of what is there, and ``own_certificate`` that of a process's own, for its health. ``tls_contexts`` is TLS
with the certificate of a process's own node, and ``file_stamps`` tells when files have changed. The library
``cryptography`` is an extra of the package (``library``): what imports it is imported by functions, after a check that
it is there.
"""

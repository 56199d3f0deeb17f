"""Generators of pages and of the Wireshark dissector, from the declarations that the code itself goes by."""

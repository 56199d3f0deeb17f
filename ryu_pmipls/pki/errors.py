"""Failures of the authority, in words for a person."""


class PkiError(Exception):
    """Certificates that are not as they should be. The text names the place, and the remedy where there is one."""


class PkiInputError(PkiError):
    """A request that no authority could carry out, such as one for a node that the profile does not have."""

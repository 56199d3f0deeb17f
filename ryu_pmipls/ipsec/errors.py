"""Errors of this package."""


class IpsecError(Exception):
    """IPsec is not in place, or strongSwan does not answer; the text says what to do."""

"""Presence of the library ``cryptography``, an extra of the package."""

from __future__ import annotations

from ryu_pmipls.pki.errors import PkiError

#: The first release with all that is used here.
_FIRST_RELEASE = 42


def require_cryptography() -> None:
    """``PkiError`` with the remedy unless the library is there and recent enough; call this before what uses it."""
    try:
        import cryptography
    except ImportError:
        found = "is not installed"
    else:
        if int(cryptography.__version__.partition(".")[0]) >= _FIRST_RELEASE:
            return
        found = f"has release {cryptography.__version__}, and {_FIRST_RELEASE} or later is needed"
    raise PkiError(
        f"certificates need the Python library cryptography, which {found}; "
        "pip install 'ryu-pmipls[security]' installs it"
    )

"""Keys made from the one secret, one for each use, and hashes of random tokens."""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derive(secret: str, label: str) -> bytes:
    """Return the key of one use, 32 bytes; another label gives an unrelated key.

    References
    ----------
    .. [1] H. Krawczyk and P. Eronen, "HMAC-based extract-and-expand key derivation
       function (HKDF)", RFC 5869, 2010. doi:10.17487/RFC5869
    """
    info = f"evenflow/1/{label}".encode()
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=info)
    return kdf.derive(secret.encode())


def derive_text(secret: str, label: str) -> str:
    """Return the key of one use as text that is safe in a URL."""
    return base64.urlsafe_b64encode(derive(secret, label)).decode().rstrip("=")


def digest(token: str) -> str:
    """Return what is stored of a random token: a hash, from which none is made."""
    return hashlib.sha256(token.encode()).hexdigest()

"""Random numbers that depend on what they are for, not on what was drawn before."""

import hashlib


def unit_draw(*purpose: object) -> float:
    """A number in [0, 1) that is a function of its arguments alone.

    >>> round(unit_draw(0, "patient00001"), 4)
    0.6792
    """
    digest = hashlib.blake2b("|".join(map(str, purpose)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64

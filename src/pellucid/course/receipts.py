"""Receipts: a line that a student keeps, by which an instructor can tell that an answer was saved, what it was, and when."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable

DIGITS = 16
FORM = re.compile(rf"\s*(\d{{1,18}})-([0-9a-f]{{{DIGITS}}})\s*", re.IGNORECASE)


def receipt(secret: str, member: int, question: str, selected: Iterable[str], sequence: int, at: str) -> str:
    """`SEQUENCE-MAC`: the answer's place in the server's order, and 64 bits that only whoever holds the secret can make."""
    text = json.dumps([member, question, sorted(selected), sequence, at], separators=(",", ":"))
    return f"{sequence}-{hmac.new(bytes.fromhex(secret), text.encode(), hashlib.sha256).hexdigest()[:DIGITS]}"


def sequence_of(text: str) -> int | None:
    """The sequence that a receipt names; None for what has not the form of one."""
    found = FORM.fullmatch(text)
    return int(found[1]) if found else None


def same(one: str, other: str) -> bool:
    """Whether two receipts are equal, in a time that does not tell how far they agree."""
    return hmac.compare_digest(one.strip().lower().encode(), other.strip().lower().encode())

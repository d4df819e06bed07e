"""Passwords, invitation codes and session tokens: what is kept of them opens nothing."""

import hashlib
import secrets
import threading
from functools import cached_property
from os import cpu_count
from typing import final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from pellucid.course.values import Refused

SHORTEST, LONGEST = 8, 1000
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 characters without 0, O, 1 and I, which look alike in print."""
GROUPS, GROUP = 3, 4
"""Twelve characters: 60 bits, which nobody guesses at the rate that a server answers."""


@final
class Passwords:
    """Argon2id, by default with the parameters of RFC 9106 for little memory: 64 MiB, 0.1 to 0.3 s of a core."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self.hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._room = threading.BoundedSemaphore(cpu_count() or 1)  # more at once would take memory and win no time

    def hash(self, password: str) -> str:
        """Refused for a password that is too short, or too long to be one."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise Refused(f"a password has at least {SHORTEST} characters and at most {LONGEST}; this one has {len(password)}")
        with self._room:
            return self.hasher.hash(password)

    def verify(self, hashed: str | None, password: str) -> bool:
        """Whether the password is the one. Takes as long where there is none, so that the time names no login."""
        with self._room:
            try:
                return self.hasher.verify(hashed or self._nobody, password[: LONGEST + 1]) and hashed is not None
            except (VerifyMismatchError, InvalidHashError):
                return False

    def outdated(self, hashed: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self.hasher.check_needs_rehash(hashed)

    @cached_property
    def _nobody(self) -> str:
        return self.hasher.hash(secrets.token_hex(16))


def new_code() -> str:
    """An invitation code that can be typed from paper: XXXX-XXXX-XXXX."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))


def code_hash(code: str) -> str:
    """What is kept of a code, however it was typed: in small letters, with blanks or without hyphens."""
    typed = "".join(character for character in code.upper() if character.isalnum())
    return hashlib.sha256(typed.encode()).hexdigest()


def new_token() -> str:
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

"""How often an account may do what. Never by address: a classroom shares one."""

import time
from typing import final

from limits import RateLimitItem, RateLimitItemPerMinute, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

from pellucid.course.values import TooMany

LOGINS = parse("10 per 10 minutes")
SAVES = RateLimitItemPerMinute(300)
"""Nobody who saves five times a second or less ever meets it, and a queue from an hour offline passes at once."""


@final
class Limits:
    """Counts in this process's memory: a restart forgives."""

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        self._moving, self._fixed = MovingWindowRateLimiter(self._storage), FixedWindowRateLimiter(self._storage)

    def log_in(self, login: str) -> None:
        """Count one attempt before it is known whether it is right, so that many at once are not too many."""
        if not self._moving.hit(LOGINS, "login", login):
            wait = self._wait(self._moving, LOGINS, "login", login)
            raise TooMany(f"too many wrong passwords for this login; try again in {_minutes(wait)}", wait)

    def logged_in(self, login: str) -> None:
        """Forget the wrong attempts: they were a person's own."""
        self._moving.clear(LOGINS, "login", login)

    def save(self, member: int) -> None:
        if not self._fixed.hit(SAVES, "save", str(member)):
            wait = self._wait(self._fixed, SAVES, "save", str(member))
            raise TooMany(f"too many saves from this account; try again in {wait} s", wait)

    @staticmethod
    def _wait(limiter: FixedWindowRateLimiter | MovingWindowRateLimiter, item: RateLimitItem, *names: str) -> int:
        return max(1, int(limiter.get_window_stats(item, *names).reset_time - time.time()) + 1)


def _minutes(seconds: int) -> str:
    minutes = (seconds + 59) // 60
    return f"{minutes} minute{'s' if minutes > 1 else ''}"

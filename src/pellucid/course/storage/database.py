"""One database, two engines."""

from typing import final


@final
class Database:
    """SQLite or PostgreSQL behind one writer thread."""

    def __init__(self, url: str) -> None:
        self.url = url

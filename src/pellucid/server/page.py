"""The built page, which Vite leaves in `static/`; or a plain message where it was not built."""

import mimetypes
from pathlib import Path
from typing import final

STATIC = Path(__file__).parent / "static"
NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Pellucid</title>
<h1>The lab's page was not built</h1>
<p>The server runs, and its interface is at <a href="/api/openapi.json">/api/openapi.json</a>. The page comes with every package
of Pellucid; in a copy of the repository, <code>make run</code> builds it.</p>
</html>
"""
TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
}


@final
class Page:
    """The files of the page, by the address that they are asked under."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder.resolve()

    @property
    def built(self) -> bool:
        return (self._folder / "index.html").is_file()

    def index(self) -> bytes:
        return (self._folder / "index.html").read_bytes() if self.built else NOT_BUILT.encode()

    def file(self, path: str) -> tuple[bytes, str] | None:
        """A file of the page and its type; None where there is none. Never one outside of the folder."""
        if "\0" in path:
            return None
        found = (self._folder / path).resolve()
        if not found.is_relative_to(self._folder) or not found.is_file() or found == self._folder / "index.html":
            return None
        kind = TYPES.get(found.suffix) or mimetypes.guess_type(found.name)[0] or "application/octet-stream"
        return found.read_bytes(), kind

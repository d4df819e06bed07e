"""The pictures that the lab may look at: the ten observation images, and what was uploaded. Never a path."""

import hashlib
import io
import json
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, final

from PIL import Image
from torch import Tensor

from pellucid.inputs.image import Images
from pellucid.inputs.photograph import ImageWarning, decode, observation_paths, open_photograph, photographs
from pellucid.models.image import ImageClassifier
from pellucid.server.encoded import png
from pellucid.server.warned import warned
from pellucid.store import write_whole

UPLOADED = re.compile(r"sha256:[0-9a-f]{64}")
OBSERVED = re.compile(r"observation:[0-9]{1,2}")
MAX_PIXELS = 50_000_000
KEEP = 200
"""Uploads; beyond, those that were not used for longest are let go."""
THUMBNAIL = 256


@final
class Sources:
    """A folder of uploads, and the shipped pictures."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._decoding = threading.BoundedSemaphore(2)
        """Pictures that are decoded at once beside the worker: each may take 150 MB."""

    def add(self, data: bytes, name: str) -> dict[str, Any]:
        """An upload, kept under the SHA-256 of its bytes. ValueError when it is no picture that can be read."""
        source = f"sha256:{hashlib.sha256(data).hexdigest()}"
        about = self._folder / f"{source.removeprefix('sha256:')}.json"
        if about.is_file():
            os.utime(about)
            return json.loads(about.read_bytes())
        if not data:
            raise ValueError("the upload is empty; send a picture's bytes")
        with warned(ImageWarning) as notes:
            picture = decode(io.BytesIO(data), "the upload", MAX_PIXELS)
        said = {"source": source, "name": plain(name), "width": picture.width, "height": picture.height, "notes": notes}
        # subtle: what was converted is kept as it was read, so that reading it again says nothing more
        write_whole(self._path(source), png(picture) if notes else data)
        write_whole(about, json.dumps(said).encode())
        self._forget()
        return said

    def uploads(self) -> list[dict[str, Any]]:
        """What `add` said of each upload that is kept, in the order in which they came."""
        # subtle: of the two files only the picture's time stands still; the other's says when it was last used
        came = sorted(self._folder.glob("*.picture"), key=lambda path: path.stat().st_mtime_ns)
        return [json.loads(about.read_bytes()) for path in came if (about := path.with_suffix(".json")).is_file()]

    def remove(self, source: str) -> None:
        """Removes an upload from the disk. ValueError for a picture that ships, and where there is none of that name."""
        path = self.path(source)
        if OBSERVED.fullmatch(source):
            raise ValueError(f"{source} comes with the lab; only what was uploaded can be removed")
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def about(self, source: str) -> dict[str, Any]:
        """Name and size of a picture. ValueError when there is none of that name."""
        path = self.path(source)
        if OBSERVED.fullmatch(source):
            with Image.open(path) as image:
                width, height = image.size
            return {"source": source, "name": path.name, "width": width, "height": height, "notes": []}
        return json.loads(path.with_suffix(".json").read_bytes())

    def path(self, source: str) -> Path:
        if OBSERVED.fullmatch(source):
            number = int(source.removeprefix("observation:"))
            if number < len(observation_paths()):
                return observation_paths()[number]
            raise ValueError(f"no picture {source!r}; they are observation:0 to observation:{len(observation_paths()) - 1}")
        if not UPLOADED.fullmatch(source):
            raise ValueError(f"no picture {source[:80]!r}; give observation:0 to observation:9, or the source of an upload")
        if not self._path(source).with_suffix(".json").is_file():
            raise ValueError(f"{source[:23]}... is not here, or not any more; upload the picture again")
        return self._path(source)

    def read(self, model: ImageClassifier, sources: Sequence[str]) -> Images:
        """The pictures as the network reads them, under the names that the lab has for them."""
        images = model.read([str(self.path(source)) for source in sources])
        for source in sources:
            if UPLOADED.fullmatch(source):
                os.utime(self._path(source).with_suffix(".json"))
        return replace(images, names=tuple(self.about(source)["name"] for source in sources), sources=tuple(sources))

    def as_option(self, model: ImageClassifier, source: str) -> Tensor:
        """The picture as the network reads it, for an option that takes one: channel height width, bytes."""
        return self.read(model, [source]).pixels[0].movedim(-1, 0).contiguous()

    def seen_by(self, model: ImageClassifier, source: str) -> bytes:
        """A PNG of just what the network reads."""
        with self._decoding:
            return png(Image.fromarray(self.read(model, [source]).pixels[0].numpy()))

    def thumbnail(self, source: str, side: int = THUMBNAIL) -> bytes:
        """A PNG whose longer side is at most that long."""
        path = self.path(source)
        with self._decoding:
            picture, _ = open_photograph(path)
            picture.thumbnail((side, side))
            return png(picture)

    def _path(self, source: str) -> Path:
        return self._folder / f"{source.removeprefix('sha256:')}.picture"

    def _forget(self) -> None:
        known = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for about in known[: max(0, len(known) - KEEP)]:
            self.remove(f"sha256:{about.stem}")


def observations() -> list[dict[str, str]]:
    """The ten observation images with their titles."""
    titles = {Path(row["path"]): row["shows"] for row in photographs()}
    return [
        {"source": f"observation:{n}", "name": path.name, "title": titles[path]} for n, path in enumerate(observation_paths())
    ]


def plain(name: str) -> str:
    """A file's own name, without folders and control characters."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(c for c in last if c.isprintable())[:100].strip() or "upload"

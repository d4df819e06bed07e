"""The report: one HTML page with everything in it, which opens unplugged.

Plain data in, text out. The page loads nothing, runs nothing (a content security policy says so to the browser as well), takes
light or dark from the reader's system, and enlarges a picture by a link to it.
"""

import base64
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import final

import numpy as np
from jaxtyping import UInt8
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image

from pellucid.render.colormaps import Legend
from pellucid.render.numbers import percent
from pellucid.render.rows import Column, Row

QUALITY = 84
"""Of photographs and overlays. Heat maps are kept without loss, so that a colour can be read off their legend."""


@final
@dataclass(frozen=True)
class Picture:
    """A finished picture: PNG, WebP, JPEG or SVG, and, if it has paper of its own, another for dark screens."""

    data: bytes
    alt: str
    """What it shows, for those who do not see it; not empty."""
    caption: str = ""
    dark: bytes | None = None


@final
@dataclass(frozen=True, eq=False)
class Grid:
    """A sheet: images in columns, numbered from 0, methods in rows. Every picture can be enlarged and paged through."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    links: tuple[str, ...] = ()
    """The ids of the sections that the rows' titles lead to, if they lead anywhere."""
    thumbnail: int | None = None
    """Shrink pictures to that many pixels: a sheet that repeats pictures shown elsewhere in full."""


@final
@dataclass(frozen=True)
class Table:
    """Text in rows; the first cell of a row is its heading."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


Block = Picture | Grid | Table


@final
@dataclass(frozen=True)
class Cite:
    """A paper: the only address a page may hold, as a link to follow when plugged in."""

    text: str
    address: str


@final
@dataclass(frozen=True)
class Section:
    """One method, or one theme. Texts are plain, one paragraph each."""

    id: str
    title: str
    what: tuple[str, ...] = ()
    """What it computes."""
    reading: tuple[str, ...] = ()
    """How to read its pictures."""
    cite: Cite | None = None
    blocks: tuple[Block, ...] = ()
    options: Table | None = None
    """Folded away below the blocks."""
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class Observation:
    """A photograph that was explained, and the model's first answers to it, likeliest first."""

    pixels: UInt8[np.ndarray, "height width 3"]
    column: Column
    top: tuple[tuple[str, float], ...]
    credit: str = ""
    """Author and licence."""


@final
@dataclass(frozen=True, eq=False)
class Report:
    """Everything on the page."""

    title: str
    summary: tuple[str, ...]
    sections: tuple[Section, ...]
    observations: tuple[Observation, ...] = ()
    model: Mapping[str, str] = field(default_factory=dict)
    """The model's card, by headings."""
    made: Mapping[str, str] = field(default_factory=dict)
    """When and by which versions of what."""


def page(report: Report) -> str:
    """The report as HTML, the same text for the same report.

    ValueError for a section id that is no plain word or occurs twice, a picture without a description or in an unknown format,
    and a paper's address that is not https.
    """
    _check(report)
    return _template().render(report=report)


def _check(report: Report) -> None:
    seen = {"photographs", "top"}
    for section in report.sections:
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", section.id) or section.id in seen:
            raise ValueError(f"section id {section.id!r} is {'taken' if section.id in seen else 'not a plain lower-case word'}")
        seen.add(section.id)
        if section.cite and not section.cite.address.startswith("https://"):
            raise ValueError(f"the address of {section.cite.text!r} is {section.cite.address!r}; expected https://...")
        for block in section.blocks:
            if isinstance(block, Picture) and not block.alt.strip():
                raise ValueError(f"a picture in section {section.id!r} has no description; say in `alt` what it shows")
            if isinstance(block, Grid) and any(len(row.images) != len(block.columns) for row in block.rows):
                raise ValueError(f"a sheet in section {section.id!r} has rows without one picture a column")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("pellucid", "render"),
        autoescape=True,  # a file's name may hold anything
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "webp": webp_uri, "uri": picture_uri, "bar": bar_uri, "unbroken": unbroken}
    environment.tests |= {name: lambda block, kind=kind: isinstance(block, kind) for name, kind in _KINDS.items()}
    return environment.get_template("page.html.jinja")


_KINDS: dict[str, type] = {"picture": Picture, "grid": Grid, "table": Table}


def unbroken(text: str) -> str:
    """The text with its percent signs on the same line as their numbers."""
    return text.replace(" %", "\u00a0%")


def webp_uri(picture: UInt8[np.ndarray, "height width 3"], exact: bool = False, thumbnail: int | None = None) -> str:
    """The picture as a WebP data URI: without loss if it must stay exact, and shrunk, which ends exactness, to a thumbnail."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    if thumbnail is not None and thumbnail < max(image.size):
        image.thumbnail((thumbnail, thumbnail), Image.Resampling.BOX)
        exact = False
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=exact, quality=100 if exact else QUALITY, method=4)
    return _uri(buffer.getvalue(), "image/webp")


def picture_uri(data: bytes) -> str:
    """The file as a data URI, of the type its first bytes say. ValueError for anything but PNG, WebP, JPEG and SVG."""
    kinds = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp", b"<?xml": "image/svg+xml"}
    for start, kind in (kinds | {b"<svg": "image/svg+xml"}).items():
        if data.startswith(start):
            return _uri(data, kind)
    raise ValueError(f"a picture begins with {data[:8]!r}; expected PNG, WebP, JPEG or SVG")


def bar_uri(legend: Legend) -> str:
    """The colours of a legend from left to right, one pixel each, as a PNG data URI."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(legend.colours[None])).save(buffer, "PNG")
    return _uri(buffer.getvalue(), "image/png")


def _uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"

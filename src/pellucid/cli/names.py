"""Names of results in their folder: the same question has the same name, and another one overwrites nothing."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

SUFFIX = ".safetensors"


def own_stem(folder: Path, picture: str, kind: str, asked: Any, asked_before: Callable[[Path], Any]) -> Path:
    """`folder/picture.kind`, the place of a record and its pictures without their endings.

    Where a record of something else is there already, the picture's name is followed by a part of the hash of what was `asked`
    (what JSON can hold). `asked_before` reads the same of a record; ValueError says that it is none of ours.
    """
    plain = folder / f"{picture}.{kind}"
    there = plain.with_name(plain.name + SUFFIX)
    try:
        free = not there.exists() or asked_before(there) == asked
    except ValueError:
        free = False
    return plain if free else folder / f"{picture}-{short_hash(asked)}.{kind}"


def asked_plainly(context: click.Context, *beside: str) -> bool:
    """Whether all parameters but those are what they are when nothing is said: a worked example's files then have its name."""
    default = click.core.ParameterSource.DEFAULT
    return all(context.get_parameter_source(name) is default for name in context.params if name not in beside)


def text_stem(text: str, *asked: Any) -> str:
    """The first words of a text, and a part of the hash of all that was asked of which text."""
    words = re.sub(r"\W+", "-", text)[:32].strip("-")
    return f"{words or 'text'}-{short_hash(asked)}"


def short_hash(asked: Any) -> str:
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]

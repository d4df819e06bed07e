"""Documentation cannot lag: what is not written down is a failing test."""

import re
import runpy
from pathlib import Path

import pytest

import pellucid as pl
from pellucid.cli import COMMANDS

ROOT = Path(__file__).parent.parent


def test_the_reference_is_what_the_code_says() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "reference.py"))["reference"]()
    assert made == (ROOT / "docs" / "reference.md").read_text(encoding="utf-8"), "run `make docs` and commit the result"


@pytest.mark.parametrize("name", [*pl.methods, *COMMANDS])
def test_every_method_and_command_is_in_the_readme(name: str) -> None:
    assert re.search(rf"\b{name}\b", (ROOT / "README.md").read_text(encoding="utf-8"))


def test_every_public_name_says_what_it_is() -> None:
    for name in pl.__all__:
        thing = getattr(pl, name)
        if callable(thing):
            assert (thing.__doc__ or "").strip(), name

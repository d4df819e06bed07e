"""Model cards: what a network is, how it reads a picture, how it does on the shipped photographs, and where it fails."""

from importlib.resources import files

from pellucid.models.load import catalog
from pellucid.registry import UnknownName, unknown


def card(name: str) -> str:
    """The card of a model, an encoder or an architecture of the catalog, as Markdown. KeyError for any other name."""
    entries = {**catalog()["architectures"], **catalog()["models"], **catalog()["encoders"]}
    if name not in entries:
        raise UnknownName(unknown("model or architecture", name, entries))
    return (files("pellucid.models") / "cards" / f"{entries[name]['card']}.md").read_text(encoding="utf-8")

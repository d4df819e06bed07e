"""Why an image classifier or a BERT-family encoder answered as it did, and how far that explanation can be trusted.

The public names. They are imported when first used, so that the shell command can show its help without loading torch.
"""

import importlib
import sys
import types
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pellucid.attribution import Attribution as Attribution
    from pellucid.explain import explain as explain
    from pellucid.explain import explain_stream as explain_stream
    from pellucid.explain import record as record
    from pellucid.inputs.image import Images as Images
    from pellucid.inputs.photograph import ImageWarning as ImageWarning
    from pellucid.inputs.photograph import observation_paths as observation_paths
    from pellucid.inputs.text import Tokens as Tokens
    from pellucid.methods import methods as methods
    from pellucid.methods.filter_image import FilterImage as FilterImage
    from pellucid.methods.filter_maps import FilterMaps as FilterMaps
    from pellucid.methods.filter_maps import Patch as Patch
    from pellucid.methods.filter_maps import beats_images as beats_images
    from pellucid.methods.filter_maps import filter_maps as filter_maps
    from pellucid.methods.filter_maps import strongest_patches as strongest_patches
    from pellucid.methods.filters import filters as filters
    from pellucid.models.activations import Activations as Activations
    from pellucid.models.cards import card as card
    from pellucid.models.image import ImageClassifier as ImageClassifier
    from pellucid.models.load import load as load
    from pellucid.models.text import TextEncoder as TextEncoder
    from pellucid.models.text import TextWarning as TextWarning
    from pellucid.pictures import draw as draw
    from pellucid.replay import Replay as Replay
    from pellucid.replay import replay as replay
    from pellucid.request import Request as Request
    from pellucid.store import Record as Record
    from pellucid.store import Store as Store
    from pellucid.stream import Method as Method
    from pellucid.stream import Preset as Preset

_WHERE = {
    "Activations": "models.activations",
    "Attribution": "attribution",
    "FilterImage": "methods.filter_image",
    "FilterMaps": "methods.filter_maps",
    "ImageClassifier": "models.image",
    "ImageWarning": "inputs.photograph",
    "Images": "inputs.image",
    "Method": "stream",
    "Patch": "methods.filter_maps",
    "Preset": "stream",
    "Record": "store",
    "Replay": "replay",
    "Request": "request",
    "Store": "store",
    "TextEncoder": "models.text",
    "TextWarning": "models.text",
    "Tokens": "inputs.text",
    "beats_images": "methods.filter_maps",
    "card": "models.cards",
    "draw": "pictures",
    "explain": "explain",
    "explain_stream": "explain",
    "filter_maps": "methods.filter_maps",
    "filters": "methods.filters",
    "load": "models.load",
    "methods": "methods",
    "observation_paths": "inputs.photograph",
    "record": "explain",
    "replay": "replay",
    "strongest_patches": "methods.filter_maps",
}
__all__ = [*_WHERE, "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]


class _Package(types.ModuleType):
    """This package. Two of its public names are also names of submodules (`explain`, `methods`): the public name wins."""

    def __getattr__(self, name: str) -> object:
        if name not in _WHERE:
            raise AttributeError(f"module 'pellucid' has no attribute {name!r}; it has: {', '.join(_WHERE)}")
        value = getattr(importlib.import_module(f"pellucid.{_WHERE[name]}"), name)
        super().__setattr__(name, value)
        return value

    def __setattr__(self, name: str, value: object) -> None:
        # subtle: importing a submodule sets it as an attribute here, which would hide the function of the same name
        if not (name in _WHERE and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_WHERE})


sys.modules[__name__].__class__ = _Package

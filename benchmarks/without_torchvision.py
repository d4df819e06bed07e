"""Stands in for torchvision, so that peers which import it at their start can be raced where it is not installed.

Nothing that they call in a race is missing: only names that their modules import, and that other parts of them use, are put in
place. Whoever calls one of these after all gets an error, not an answer.
"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

NAMES = {
    "torchvision": (),
    "torchvision.ops": (),
    "torchvision.transforms": ("Compose", "Normalize", "ToTensor"),
    "torchvision.transforms.functional": ("resize",),
}


class Missing:
    """What a peer imports and does not need here."""

    def __init__(self, *args: object, **options: object) -> None:
        raise RuntimeError("the benchmarks run without torchvision, and this part of the peer needs it")


def stand_in() -> None:
    """Puts empty modules in torchvision's place, in this process only. To be called before the peer is imported."""
    for name, wanted in NAMES.items():
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None, is_package=True)
        module.__path__ = []
        vars(module).update(dict.fromkeys(wanted, Missing))
        sys.modules[name] = module

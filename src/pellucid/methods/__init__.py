"""Explanation methods, one paper a file. Each registers itself in `methods` when its file is imported."""

from collections.abc import Callable, Iterator, Mapping
from typing import ParamSpec, final

from pellucid.attribution import Attribution
from pellucid.registry import Registry
from pellucid.stream import Method, Preset

P = ParamSpec("P")


@final
class Methods(Registry[Method[..., Attribution]]):
    """The explanation methods by name, each with its options' schema."""

    def register(
        self, *, presets: Mapping[str, Preset] | None = None
    ) -> Callable[[Callable[P, Iterator[Attribution]]], Method[P, Attribution]]:
        def add(function: Callable[P, Iterator[Attribution]]) -> Method[P, Attribution]:
            method = Method(function, presets)
            self.add(method.name, method)
            return method

        return add


methods = Methods("method", "pellucid.methods")

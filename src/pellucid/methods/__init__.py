"""Explanation methods, one paper a file. Each registers itself in `methods` when its file is imported."""

from collections.abc import Callable, Iterator, Mapping
from typing import ParamSpec, final

from pellucid.attribution import Attribution
from pellucid.models.batches import BATCH
from pellucid.registry import OptionValue, Registry
from pellucid.stream import Method, Preset

P = ParamSpec("P")


@final
class Methods(Registry[Method[..., Attribution]]):
    """The explanation methods by name, each with its options' schema."""

    def register(
        self,
        *,
        presets: Mapping[str, Preset] | None = None,
        chance: Callable[[Mapping[str, OptionValue]], bool] | None = None,
        first: int = BATCH,
    ) -> Callable[[Callable[P, Iterator[Attribution]]], Method[P, Attribution]]:
        """`chance` tells whether a seed is asked at all with these options; without, one that there is always is. `first` says
        how many passes the first answer about an image takes: under a deadline images are explained together as long as
        that is a batch."""

        def add(function: Callable[P, Iterator[Attribution]]) -> Method[P, Attribution]:
            method = Method(function, presets, chance, first)
            self.add(method.name, method)
            return method

        return add


methods = Methods("method", "pellucid.methods")


def owes_to_chance(attribution: Attribution) -> bool:
    """Whether another seed would have given another one."""
    if attribution.method not in methods:
        return attribution.seed is not None
    return methods[attribution.method].draws(attribution.options)

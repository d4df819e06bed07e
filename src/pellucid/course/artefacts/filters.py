"""What is shown of a CNN's filters: how strongly and where they fire on photographs, and the pictures made to excite them."""

from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from pellucid.course.artefacts import Axis, Entry, Value, artefact, scaled, seeds
from pellucid.course.artefacts.images import classifier, precise, read

if TYPE_CHECKING:
    from pellucid.course.workshop import Workshop


class FilterEntry(Entry):
    """One filter of a layer."""

    layer: str
    filter: int = Field(ge=0)


EXACT = [Axis("precision float64", {"precision": "float64"}), Axis("resize bilinear", {"resize": "bilinear"})]
"""Nothing is drawn at random where a filter fires."""


@artefact("firing", entry=FilterEntry, axes=lambda entry: EXACT, kept=False)
def firing(entry: FilterEntry, axis: Axis, workshop: "Workshop") -> Value:
    """By image, the filter's map enlarged to the size of the picture as the lab draws it (`map`), and its `peak` and `mean`
    at the layer's own places, in the layer's units."""
    from pellucid.methods.filter_maps import filter_maps

    model = classifier(entry, workshop)
    model = precise(model) if axis.get("precision") == "float64" else model
    maps = filter_maps(model, read(entry, axis, workshop), entry.layer, entry.filter)
    large = maps.upsampled()[:, 0].numpy()
    return {
        id: {"map": large[n], "peak": float(maps.peak[n, 0]), "mean": float(maps.mean[n, 0])}
        for n, id in enumerate(workshop.ids(entry))
    }


class SynthesisEntry(FilterEntry):
    """Gradient ascent towards a filter from noise, at the settings that students use; what is not said is the default."""

    config: dict[str, bool | int | float | str] = Field(default_factory=dict)
    first_seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _known(self) -> "SynthesisEntry":
        from pellucid.methods.filters import filters
        from pellucid.registry import validated

        if "seed" in self.config:
            raise ValueError("config holds a seed; runs draw with seeds of their own, the base run with first_seed")
        if self.config.get("start") == "images":
            raise ValueError("start='images' is not made here; pictures begin with noise")
        try:
            validated("filters", filters.options, self.config)
        except TypeError as error:  # which pydantic would let through, without the line
            raise ValueError(str(error)) from None
        return self


@artefact("synthesis", entry=SynthesisEntry, axes=lambda entry: [*seeds(entry.seeds), *scaled("steps")])
def synthesis(entry: SynthesisEntry, axis: Axis, workshop: "Workshop") -> Value:
    """The made `picture` (height, width, 3; 0 black to 1 white, cut off there), its `activation`, which is the mean of the
    filter's map, and that of the noise it `began` with."""
    from pellucid.methods.filters import filters

    steps = entry.config["steps"] if "steps" in entry.config else filters.options.model_fields["steps"].default
    options: dict[str, Any] = {**entry.config, "seed": entry.first_seed + int(axis.get("seed", 0))}
    options["steps"] = max(1, round(int(steps) * axis.get("steps", 1)))
    made = filters(classifier(entry, workshop), entry.layer, entry.filter, **options)
    return {
        "picture": made.values[0].clamp(0, 1).movedim(0, -1).numpy(),
        "activation": float(made.final_objective[0]), "began": float(made.start_objective[0]),
    }  # fmt: skip

"""Parameter randomization: Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018, https://arxiv.org/abs/1810.03292

What it can and cannot say: Hedström et al., A fresh look at sanity checks, 2024, https://arxiv.org/abs/2405.02383
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float32
from pydantic import Field
from torch import Tensor

from pellucid.again import again_or_by_torch
from pellucid.attribution import Attribution, Work
from pellucid.inputs.baselines import draw_seed
from pellucid.inputs.image import Images
from pellucid.measurement import Measurement, unanswered, unfinished_notes
from pellucid.metrics import metrics
from pellucid.metrics.seed_stability import other_seed
from pellucid.models.image import ImageClassifier
from pellucid.models.randomized import PICTURES, randomized_in_pieces
from pellucid.models.randomized import stages as stages_of
from pellucid.ranks import margin, spearman

Mode = Literal["full", "cascading", "independent"]


@metrics.register(higher_is_better=False, unit="rank correlation")
def parameter_randomization(
    model: ImageClassifier,
    inputs: Images,
    attribution: Attribution,
    *,
    mode: Annotated[
        Mode,
        Field(
            description="full: all layers at once. cascading: more and more of them, from the logits down. independent: one "
            "group of them after the other."
        ),
    ] = "full",
    draws: Annotated[int, Field(ge=1, le=100, description="Random networks that are averaged.")] = 1,
    stages: Annotated[
        int, Field(ge=1, le=1000, description="cascading, independent: groups that the layers are divided into, at most.")
    ] = 8,
    seed: Annotated[int, Field(ge=0, description="Makes the random weights repeatable.")] = 0,
) -> Iterator[Measurement]:
    """How much of the map is left when the network has random weights: 1, the map does not depend on what it learned; 0, all.

    The rank correlation of the map's magnitudes with those of the map that the same method gives for the same target on the
    network with random weights (see `models.randomized`), the mean over `draws` of them. Of `cascading` the value is that of
    the last network, which has no learned layer left; of `independent`, the mean over the groups. Methods with a seed run
    with another one on the random networks, so that noise is not taken for a map that ignores the weights.

    A low value is necessary and proves little: noise passes best, and a map that is noisy falls lower than a smooth one that
    depends on the weights just as much. Read it beside `seed_stability`.

    `extras`, `batch draw`: `correlations`, and `signed`, the same of the map with its signs. Where there are groups, also
    `curve` and `signed_curve`, `batch stage`, from the logits down, and `notes["layers"]`: the last layer of each group. The
    interval is Student's over the draws; of one draw there is none, and low and high equal the value. NaN where a map is
    constant, cannot be made on such a network, or was made by no method. An unfinished map counts only as long as there is no
    other; the interval then is all there is.

    The paper redraws layer by layer; here neighbouring layers are redrawn together, since networks have fifty and more.
    """
    groups = grouped(model, mode, stages)
    changed: dict[str, Any] = {} if attribution.seed is None else {"seed": other_seed(attribution.seed, 0)}
    original = attribution.map()
    found = torch.full((2, len(inputs), draws, len(groups)), torch.nan)
    notes = {} if mode == "full" else {"layers": ", ".join(layers[-1] for layers, _ in groups)}
    work = Work(0, 0, 0.0)
    everything = draws * len(groups)
    latest = unanswered(len(inputs), work)

    def note(draw: int, stage: int, other: Attribution) -> None:
        mine, theirs = original, other.map()
        found[0, :, draw, stage] = spearman(mine.abs(), theirs.abs())
        found[1, :, draw, stage] = spearman(mine, theirs)

    # the network without any learned layer comes first, as the value is that of it
    order = [(draw, stage) for draw in range(draws) for stage in reversed(range(len(groups)))]
    other = attribution  # of a stream there is at least one
    for number, (draw, stage) in enumerate(order, start=1):
        passes = Work(2 * PICTURES, 0, 0.0)
        network = None
        for made in randomized_in_pieces(model, draw_seed(seed, draw), groups[stage][1]):
            network = made
            yield latest
        assert network is not None
        try:
            for other in again_or_by_torch(network, inputs, attribution, **changed):
                done = work.and_of(passes, 0.0).and_of(other.work, (number - 1 + other.work.fraction) / everything)
                if number == 1:
                    note(draw, stage, other)
                    latest = measured(found, mode, 1, done, notes | unfinished_notes(other.work.fraction), unfinished=True)
                yield replace(latest, work=done)
        except (ValueError, KeyError) as error:
            notes["no value"] = str(error)
            work = work.and_of(passes, number / everything)
        else:
            note(draw, stage, other)
            work = work.and_of(passes, 0.0).and_of(other.work, number / everything)
        latest = measured(found, mode, draw + 1, work, notes)
        yield latest


def grouped(model: ImageClassifier, mode: Mode, count: int) -> list[tuple[tuple[str, ...], tuple[str, ...] | None]]:
    """Of every network that is asked: the layers of its group, and those that are redrawn, None being all."""
    if mode == "full":
        return [((), None)]
    parts = stages_of(model, count)
    if mode == "independent":
        return [(part, part) for part in parts]
    return [(part, tuple(name for above in parts[: n + 1] for name in above)) for n, part in enumerate(parts)]


def measured(
    found: Float32[Tensor, "2 batch draw stage"],
    mode: Mode,
    draws: int,
    work: Work,
    notes: dict[str, str],
    unfinished: bool = False,
) -> Measurement:
    """What is known after so many draws, the last of which may still miss some stages, or be of an unfinished map."""
    begun = found[:, :, :draws]
    each, signed = begun.nanmean(3) if mode == "independent" else begun[..., -1]
    value = each.double().mean(1).float()
    half = torch.full_like(value, 2 if found.shape[2] > 1 or unfinished else 0)  # one draw says nothing of how sure it is
    if draws > 1:
        half = margin(torch.stack([torch.cat([each[:, :n], each[:, n + 1 :]], 1).double().mean(1) for n in range(draws)]))
    # a curve of which groups are missing is no answer yet
    missing = begun.isnan().all(0).flatten(1).any(1) & (work.fraction < 1)
    error = torch.where(missing | unfinished, torch.inf, half)
    extras = {"correlations": each, "signed": signed}
    if mode != "full":
        curve, signed_curve = begun.nanmean(2)
        extras |= {"curve": curve, "signed_curve": signed_curve}
    if bool(value.isnan().any()) and "no value" not in notes:
        notes = notes | {"no value": "a map is constant, so it has no order"}
    low, high = (value - half).clamp(min=-1), (value + half).clamp(max=1)
    return Measurement(value, low, high, work, extras=extras, notes=dict(notes), error=error.float())

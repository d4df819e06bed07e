"""What a type checker must see; `make check` reads this file, nothing runs it."""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Generator
from typing import assert_type

from torch import Tensor

import pellucid as pl
from pellucid.methods.saliency import saliency
from pellucid.methods.smoothgrad import smoothgrad


def real_signatures(model: pl.ImageClassifier, images: pl.Images, target: Tensor) -> None:
    assert_type(smoothgrad(model, images, target, samples=100, noise=0.1, seed=3), pl.Attribution)
    assert_type(smoothgrad.stream(model, images, target), Generator[pl.Attribution, None, None])
    assert_type(pl.explain(model, images, method="lime", tolerance=0.1), pl.Attribution)
    smoothgrad(model, images, target, smaples=100)  # pyright: ignore[reportCallIssue]
    smoothgrad(model, images, target, samples="many")  # pyright: ignore[reportArgumentType]
    smoothgrad(model, images)  # pyright: ignore[reportCallIssue]
    saliency(model, images, target, output="logits")  # pyright: ignore[reportArgumentType]

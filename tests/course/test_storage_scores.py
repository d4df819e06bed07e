"""Points, what students see of them, key versions and regrades."""

import json
from datetime import UTC, datetime
from itertools import chain, combinations

import pytest
import sqlalchemy as sa
import time_machine
from hypothesis import example, given
from hypothesis import strategies as st

from pellucid.course.assignment import Key
from pellucid.course.storage import Changes, Conflict, Course, Feedback, NotFound, Refused, Score, answers
from pellucid.course.storage.regrade import between, changed
from pellucid.course.storage.tables import score
from tests.course.classroom import ASSIGNMENT, RIGHT, answer, document, key, made, opened, student

SUBSETS = [set(one) for one in chain.from_iterable(combinations("abcd", n) for n in range(5))]


def totals(course: Course, version: int | None = None) -> dict[str, int]:
    return {one.member.name[:2]: one.total for one in course.scores(version)}


def test_points_are_those_of_the_latest_answers(course: Course) -> None:
    bo, cy = student(course, "Bo"), student(course, "Cy")
    for question, selected in (("q1", "ab"), ("q2", "a"), ("q2", "c"), ("q3", "ad"), ("q3", "abd")):
        answer(course, bo, question, selected)
    last = answer(course, cy, "q3", "da")
    assert totals(course) == {"Bo": 6, "Cy": 4, "Di": 0}
    found = {one.member.name[:2]: one for one in course.scores()}
    assert found["Bo"].tenths == {"q1": 3, "q2": 3, "q3": 0}
    assert (found["Cy"].answered, found["Cy"].last_at) == (1, last.at)
    assert (found["Di"].answered, found["Di"].last_at) == (0, None)
    assert course.progress() == {bo.id: (3, found["Bo"].last_at), cy.id: (1, last.at)}


def test_a_first_attempt_is_what_somebody_settled_on(course: Course) -> None:
    """(seconds since the last save, question, selected); two right options take two ticks, each of which is saved."""
    attempts = {
        "Bo": [(0, "q1", "a"), (3, "q1", "ab"), (29, "q2", "c"), (5, "q3", "a"), (0, "q3", "ad"), (90, "q3", "d")],
        "Cy": [(0, "q1", "a"), (30, "q1", "ab"), (2, "q2", "a"), (2, "q2", ""), (9, "q1", "b"), (2, "q2", "c")],
    }
    for name, saves in attempts.items():
        with time_machine.travel(datetime.now(UTC), tick=False) as clock:
            for seconds, question, selected in saves:
                clock.shift(seconds)
                answer(course, student(course, name), question, selected)
    with course.database.read() as connection:
        found = answers.first_attempts(connection)
    assert found[student(course, "Bo").id] == {"q1": set("ab"), "q2": {"c"}, "q3": set("ad")}
    assert found[student(course, "Cy").id] == {"q1": {"a"}, "q2": {"c"}}, "a pause settles; what was taken back does not"
    assert [one.first_difficulty for one in course.items().questions] == [0.5, 1.0, 0.5]


@pytest.mark.parametrize(("policy", "state", "shown"), [
    ("none", "open", None), ("none", "closed", None),
    ("after_close", "open", None), ("after_close", "closed", {"q1": 3, "q2": 0, "q3": 0}),
    ("total", "closed", "total"), ("question", "closed", {"q1": 3, "q2": 0, "q3": 0}),
])  # fmt: skip
def test_students_see_what_the_policy_shows(course: Course, policy: Feedback, state: str, shown: object) -> None:
    bo = student(course, "Bo")
    answer(course, bo, "q1", "ab")
    answer(course, bo, "q2", "a")
    course.set_state("closed" if state == "closed" else "open", feedback=policy)
    seen = course.feedback(bo.id)
    if shown is None:
        assert seen is None
    else:
        assert seen is not None
        assert (seen.total, seen.of, seen.questions) == (3, 10, None if shown == "total" else shown)


@pytest.mark.parametrize("policy", ["total", "question"])
def test_feedback_on_an_open_course_stays_the_same_for_an_interval(course: Course, policy: Feedback) -> None:
    bo = student(course, "Bo")
    course.set_state("open", feedback=policy, interval=10)
    with time_machine.travel(datetime(2030, 1, 1, 8, 3, tzinfo=UTC), tick=False) as clock:
        answer(course, bo, "q1", "ab")
        seen = [course.feedback(bo.id)]
        for selected in ("a", "b", "c", "ab"):  # as somebody would who looks for the right one
            answer(course, bo, "q2", selected)
            clock.shift(60)
            seen.append(course.feedback(bo.id))
        assert [one and (one.total, one.as_of) for one in seen] == [(0, "2030-01-01T08:00:00.000Z")] * 5
        clock.move_to(datetime(2030, 1, 1, 8, 10, tzinfo=UTC))
        now = course.feedback(bo.id)
        assert now is not None
        assert (now.total, now.as_of) == (3, "2030-01-01T08:10:00.000Z")
        answer(course, bo, "q1", "")
        clock.shift(599)
        assert course.feedback(bo.id) == now
        clock.shift(1)
        after = course.feedback(bo.id)
        assert after is not None
        assert after.total == 0


def test_a_key_document_comes_back_as_it_was(course: Course) -> None:
    assert course.key_document() == course.key_document(1) == document()
    assert course.key() == key()
    assert course.assignment() == ASSIGNMENT
    course.publish(document())
    assert len(course.versions()) == 1, "the same again changes nothing"


def test_what_is_not_frozen_or_not_whole_is_not_published(url: str) -> None:
    course = opened(url)
    good = document()
    other = key({**RIGHT, "q1": ["a"]})
    without = Key(ASSIGNMENT.hash, 1, {"q1": (frozenset("a"),), "q2": (frozenset("e"),)}, state="frozen")
    bad = [
        ({**good, "state": "reviewed"}, "is reviewed, not frozen"),
        ({**good, "format": 2}, "format 2"),
        ({**good, "hash": "0" * 64}, "changed after it was frozen"),
        ({**good, "key": other.to_json()}, "changed after it was frozen"),
        ({**good, "assignment": {**good["assignment"], "id": "other"}}, "of another assignment"),
        (document(without), "q2: the key accepts no selection of the options"),
        ({}, "no key document"),
        ({"assignment": []}, "no key document"),
    ]
    for one, words in bad:
        with pytest.raises(Refused, match=words):
            course.publish(one)
    course.publish(document(other))
    course.publish(good)  # nobody has answered: a draft may be replaced
    assert course.key() == key()
    course.import_roster("name,login\nBo,bo\n")
    course.set_state("open")
    answer(course, student(course, "Bo"), "q1", "a")
    with pytest.raises(Conflict, match="only by a regrade"):
        course.publish(document(other))
    course.close()


def test_votes_stay_with_the_version(course: Course) -> None:
    ada = course.add_instructor("ada", "Ada", "a long password")
    found = course.review(1, "q1", "b", "disagree", "it is the cup", ada)
    (vote,) = found["review"]
    assert (vote["question"], vote["option"], vote["vote"], vote["by"]) == ("q1", "b", "disagree", "ada")
    course.review(1, "q1", None, "agree", "", ada)
    assert [one["vote"] for one in course.key_document(1)["review"]] == ["disagree", "agree"]
    for arguments, error in (
        ((1, "q9", None, "agree", ""), NotFound), ((1, "q1", "e", "agree", ""), NotFound),
        ((7, "q1", None, "agree", ""), NotFound), ((10**20, "q1", None, "agree", ""), NotFound),
        ((1, "q1", "a", "disagree", " "), Refused), ((1, "q1", "a", "agree", "\x00"), Refused),
    ):  # fmt: skip
        with pytest.raises(error):
            course.review(*arguments, by=ada)  # type: ignore[arg-type]


def test_a_regrade_says_first_what_it_does_and_then_does_just_that(course: Course) -> None:
    bo, cy, di = (student(course, name) for name in ("Bo", "Cy", "Di"))
    answer(course, bo, "q1", "ab")
    answer(course, cy, "q1", "a")
    answer(course, di, "q2", "c")
    changes: Changes = {"q1": {"accepted": [["a"]]}}
    planned = course.preview(changes, "replace", "")
    assert [(one.member.id, one.before, one.after) for one in planned.rise] == [(cy.id, 0, 3)]
    assert [(one.member.id, one.before, one.after) for one in planned.fall] == [(bo.id, 3, 0)]
    assert (planned.unchanged, planned.mean_before, planned.mean_after, planned.version) == (1, 2.0, 2.0, None)
    assert totals(course) == {"Bo": 3, "Cy": 0, "Di": 3}
    with pytest.raises(Refused, match="needs a reason"):
        course.regrade(changes, "replace", " ")
    done = course.regrade(changes, "replace", "b was wrong", course.add_instructor("ada", "Ada", "a long password"))
    assert (done.rise, done.fall, done.version) == (planned.rise, planned.fall, 2)
    assert totals(course) == totals(course, 2) == {"Bo": 0, "Cy": 3, "Di": 3}
    assert totals(course, 1) == {"Bo": 3, "Cy": 0, "Di": 3}, "the old scores stay readable"
    last = course.versions()[-1]
    assert (last.version, last.parent, last.reason, last.policy, last.by) == (2, 1, "b was wrong", "replace", "ada")
    assert course.state().key_version == 2
    assert course.key_document(2)["evidence"] == course.key_document(1)["evidence"]
    assert course.audit()[0].act == "regrade"
    assert course.recompute() == []


def test_a_regrade_that_accepts_either_lowers_nobody(course: Course) -> None:
    for name, selected in (("Bo", "ab"), ("Cy", "a"), ("Di", "abc")):
        answer(course, student(course, name), "q1", selected)
    done = course.regrade({"q1": {"accepted": [["a"]], "disregard": ["c"]}}, "either", "both readings hold")
    assert done.fall == ()
    assert totals(course) == {"Bo": 3, "Cy": 3, "Di": 0}
    again = course.regrade({"q1": {"full": True}}, "replace", "the picture was missing")
    assert [one.member.name for one in again.rise] == ["Di Wu"]
    assert again.version == 3
    assert totals(course) == {"Bo": 3, "Cy": 3, "Di": 3}


@pytest.mark.parametrize(("changes", "error", "words"), [
    ({"q9": {"full": True}}, NotFound, "no question named 'q9'"),
    ({"q1": {"accepted": [["e"]]}}, Refused, "q1 has no option 'e'"),
    ({"q1": {"disregard": ["e"]}}, Refused, "q1 has no option 'e'"),
    ({"q1": {"accepted": [[]]}}, Refused, "nothing chosen is no answer"),
    ({"q1": {"accepted": []}}, Refused, "list of selections"),
    ({"q1": {"accepted": ["a"]}}, Refused, "list of selections"),
    ({"q1": {"disregard": "a"}}, Refused, "list of option ids"),
    ({"q1": {"full": 1}}, Refused, "true or false"),
    ({"q1": {"drop": True}}, Refused, "no change 'drop'; known: accepted, disregard, full"),
    ({"q1": {"accepted": [["a", "b"]]}}, Refused, "change nothing"),
    ({}, Refused, "change nothing"),
])  # fmt: skip
def test_changes_that_are_none_are_refused(course: Course, changes: Changes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        course.preview(changes, "replace", "")


selections = st.sets(st.sampled_from("abcd"), min_size=1).map(sorted)
some_changes = st.fixed_dictionaries({}, optional={
    "accepted": st.lists(selections, min_size=1, max_size=3),
    "disregard": st.sets(st.sampled_from("abcd")).map(sorted),
    "full": st.booleans(),
})  # fmt: skip


@given(st.lists(some_changes, min_size=2, max_size=2))
@example([{"disregard": [], "accepted": [["b"], [*"abcd"]]}, {"disregard": ["a"], "accepted": [[*"abcd"], ["b"]]}])
def test_either_accepts_what_one_of_the_two_keys_does_and_nothing_more(two) -> None:
    """Against the definition, for every selection there is."""

    def apply(old: Key, change: Changes, policy) -> Key:
        try:
            return changed(ASSIGNMENT, old, {"q1": change}, policy, "", 2)
        except Refused:
            return old

    old = apply(key(), two[0], "replace")
    new, either = apply(old, two[1], "replace"), apply(old, two[1], "either")
    for chosen in SUBSETS:
        assert either.right("q1", chosen) == (old.right("q1", chosen) or new.right("q1", chosen)), chosen
    assert Key.from_json(json.loads(json.dumps(either.to_json()))) == either
    assert apply(old, between(old, new)["q1"], "replace").accepted == new.accepted if between(old, new) else True


def test_another_order_of_what_is_accepted_is_no_change() -> None:
    old = changed(ASSIGNMENT, key(), {"q1": {"accepted": [["b"], ["a", "c"]]}}, "replace", "", 2)
    with pytest.raises(Refused, match="change nothing"):
        changed(ASSIGNMENT, old, {"q1": {"accepted": [["c", "a"], ["b"]]}}, "replace", "", 3)


def test_the_changes_between_two_keys_make_one_of_the_other() -> None:
    old = key(disregarded={"q2": frozenset("a")}, full=frozenset({"q3"}))
    new = key({**RIGHT, "q1": ["d"]})
    changes = between(old, new)
    assert changes == {"q1": {"accepted": [["d"]]}, "q2": {"disregard": []}, "q3": {"full": False}}
    found = changed(ASSIGNMENT, old, changes, "replace", "", 2)
    assert (found.accepted, found.disregarded, found.full) == (new.accepted, new.disregarded, new.full)
    with pytest.raises(Refused, match="different assignments"):
        between(old, Key("0" * 64, 1, old.accepted))


def test_stored_scores_are_what_the_answers_give(course: Course) -> None:
    bo, cy = student(course, "Bo"), student(course, "Cy")
    answer(course, bo, "q1", "ab")
    answer(course, cy, "q1", "a")
    course.regrade({"q1": {"accepted": [["a"]]}}, "either", "why not")
    answer(course, bo, "q1", "c")  # later answers do not change what was counted before
    course.regrade({"q2": {"full": True}}, "replace", "again")
    assert course.recompute() == []
    course.database.write(lambda c: c.execute(sa.update(score).where(score.c.id == 1).values(total=99)) and None)
    (wrong,) = course.recompute()
    assert "stored 99 tenths, computed 3" in wrong
    course.database.write(lambda c: c.execute(sa.delete(score).where(score.c.id == 1)) and None)
    assert "no score is stored of 1 who answered" in course.recompute()[0]


def test_thirty_questions_make_exactly_ten_points() -> None:
    assert sum([3] * 20 + [4] * 10) == 100
    assert sum([0.3] * 20 + [0.4] * 10) != 10, "the reason for integer tenths"


def test_acts_are_on_record(url: str) -> None:
    course = made(url)
    ada = course.add_instructor("ada", "Ada", "a long password")
    course.set_state("open", by=ada)
    course.invite(student(course, "Bo").id, ada)
    course.merge_canvas("Student,SIS User ID\nBo,1001\n", by=ada)
    assert [(row.by, row.act) for row in course.audit()] == [
        ("ada", "canvas"), ("ada", "invitation"), ("ada", "state"), ("shell", "instructor"), ("shell", "state"),
        ("shell", "roster"), ("shell", "publish"),
    ]  # fmt: skip
    course.close()


def test_scores_name_every_question_of_every_student(course: Course) -> None:
    found: list[Score] = course.scores()
    assert [one.member.name for one in found] == ["Bo Li", "Cy Ma", "Di Wu"]
    assert all(one.tenths == {"q1": 0, "q2": 0, "q3": 0} for one in found)

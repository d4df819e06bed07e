"""What leaves for Gradescope, Canvas and elsewhere."""

import csv
import io

import pytest

from pellucid.course.exports import decimal, first_and_last, harmless, merge_canvas
from pellucid.course.storage import Course, Member, Refused, Score
from tests.course.classroom import answer, document, opened, student

CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Lab 1 (101),Explanations (102)\r\n"
    ",,,,,Manual Posting,\r\n"
    "    Points Possible,,,,,5.0,(read only)\r\n"
    '"Li, Bo",1,1001,bo,A,4.5,\r\n'
    '"Ma, Cy",2,1002,CY@EXAMPLE.EDU ,B,-1.5,0.3\r\n'
    '"Student, Test",9,,,A,,\r\n'
)


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def score(id: int, login: str, student_id: str, total: int, name: str = "A B") -> Score:
    return Score(Member(id, login, name, student_id, "", "", "student", None), {}, total, 1, "2026-01-01T00:00:00.000Z")


def test_gradescopes_columns(course: Course) -> None:
    bo = student(course, "Bo")
    answer(course, bo, "q1", "a")
    answer(course, bo, "q1", "ab")
    last = answer(course, bo, "q3", "ad")
    header, first, second, _ = rows(course.export_gradescope())
    assert header == [
        "First Name", "Last Name", "SID", "Email", "Sections", "Total Score", "Max Points", "Status", "Submission ID",
        "Submission Time", "Lateness (H:M:S)", "View Count", "Submission Count", "1: What of q1? (0.3 pts)",
        "2: What of q2? (0.3 pts)", "3: What of q3? (0.4 pts)",
    ]  # fmt: skip
    when = last.at.replace("T", " ").replace("Z", " +0000")
    assert first == [
        "Bo", "Li", "1001", "bo@example.edu", "A", "0.7", "1.0", "Graded", str(last.sequence), when, "00:00:00", "0", "3",
        "0.3", "0.0", "0.4",
    ]  # fmt: skip
    assert second == ["Cy", "Ma", "1002", "cy@example.edu", "B", "", "1.0", "Missing", *[""] * 8]


@pytest.mark.parametrize(("name", "first", "last"), [
    ("Ann O'Brien", "Ann", "O'Brien"),
    ("O'Brien, Ann", "Ann", "O'Brien"), ("van der Berg,Ann Marie", "Ann Marie", "van der Berg"),
    ("Ann Marie Lee", "Ann Marie", "Lee"), ("Plato", "Plato", ""), ("王小明", "王小明", ""), ("Plato,", "Plato,", ""),
])  # fmt: skip
def test_names_are_read_in_either_order(name: str, first: str, last: str) -> None:
    assert first_and_last(name) == (first, last)


def test_a_roster_of_last_names_first_has_them_in_gradescopes_columns(url: str) -> None:
    course = opened(url)
    course.publish(document())
    course.import_roster('name,login\n"O\'Brien, Ann",ann\n')
    assert rows(course.export_gradescope())[1][:2] == ["Ann", "O'Brien"]
    course.close()


def test_json_has_answers_and_points_but_no_key(course: Course) -> None:
    bo = student(course, "Bo")
    saved = answer(course, bo, "q1", "ab")
    found = course.export_json()
    assert (found["of_tenths"], found["key_version"], found["key_hash"]) == (10, 1, course.key().hash)
    first = found["students"][0]
    assert (first["login"], first["total_tenths"], first["tenths"]["q1"]) == ("bo@example.edu", 3, 3)
    assert first["answers"] == {"q1": {"selected": ["a", "b"], "sequence": saved.sequence, "at": saved.at}}
    assert "accepted" not in str(found)
    assert "receipt" not in str(found)


def test_a_canvas_gradebook_comes_back_with_its_own_column_filled(course: Course) -> None:
    for name, selected in (("Bo", "ab"), ("Cy", "a")):
        answer(course, student(course, name), "q1", selected)
    text, report = course.merge_canvas("\ufeff" + CANVAS)
    found = rows(text)
    assert found[0] == rows(CANVAS)[0], "the columns and their order"
    assert [row[-1] for row in found] == ["Explanations (102)", "", "1.0", "0.3", "0.0", ""]
    assert [row[:-1] for row in found] == [row[:-1] for row in rows(CANVAS)], "the rest of the file"
    assert (report.matched, report.ambiguous) == (2, ())
    assert report.unmatched == ("Di Wu (di@example.edu): not in the gradebook",)
    assert course.merge_canvas(text)[0] == text, "merging again changes nothing"


def test_a_column_that_is_not_there_is_added(course: Course) -> None:
    answer(course, student(course, "Bo"), "q1", "ab")
    found = rows(course.merge_canvas(CANVAS, "Quiz")[0])
    assert [row[-1] for row in found] == ["Quiz", "", "1.0", "0.3", "", ""]
    assert [row[:-1] for row in found] == rows(CANVAS)


def test_whoever_never_answered_keeps_an_empty_cell(course: Course) -> None:
    found = rows(course.merge_canvas(CANVAS)[0])
    assert [row[-1] for row in found[3:]] == ["", "0.3", ""]


def test_nobody_is_matched_by_name() -> None:
    text = "Student,SIS User ID\r\nBo Li,\r\nBo Li,77\r\n"
    merged, report = merge_canvas(text, "Quiz", 10, [score(1, "bo", "1001", 3, "Bo Li")])
    assert [row[-1] for row in rows(merged)] == ["Quiz", "", ""]
    assert report.matched == 0
    assert report.unmatched == (
        "line 2, Bo Li (no SIS id): no student has these ids", "line 3, Bo Li (77): no student has these ids",
        "Bo Li (bo): not in the gradebook",
    )  # fmt: skip


def test_what_is_ambiguous_is_listed_and_left_alone() -> None:
    text = (
        "Student,SIS User ID,SIS Login ID,Quiz\r\n"
        "One,1,bo,\r\n"  # the id of one, the login of another
        "Two,3,,7\r\n"
        "Two again,3,,8\r\n"  # the same student twice
        "Three,4,,\r\n"  # an id that two members have
        "Four,6,di,\r\n"
    )
    people = [
        score(1, "ann", "1", 1), score(2, "bo", "2", 2), score(3, "cy", "3", 3), score(4, "x", "4", 4), score(5, "y", "4", 5),
        score(6, "di", "6", 6),
    ]  # fmt: skip
    merged, report = merge_canvas(text, "Quiz", 10, people)
    assert [row[3] for row in rows(merged)] == ["Quiz", "", "7", "8", "", "0.6"]
    assert report.matched == 1
    assert [one.split(",")[0] for one in report.ambiguous] == ["line 2", "line 5", "line 3", "line 4"]


@pytest.mark.parametrize(("text", "words"), [
    ("", "is empty"), ("name,email\nBo,bo@x\n", "no Canvas gradebook"), ("Student,ID\nBo,1\n", "no Canvas gradebook"),
    ('Student,SIS User ID\n"Bo,1\n', "no CSV"), ("Student,SIS User ID,Quiz (1),Quiz (2)\nBo,1,,\n", "2 columns"),
])  # fmt: skip
def test_what_is_no_gradebook_is_refused(text: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        merge_canvas(text, "Quiz", 10, [])


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "=", "-1+1", "-e5", "--1", "-1\n=1"]
)
def test_no_cell_begins_a_formula(cell: str) -> None:
    assert harmless(cell) == "'" + cell
    assert harmless("'" + cell) == "'" + cell
    merged, _ = merge_canvas(f'Student,SIS User ID\r\n"{cell}",1\r\n', "=Quiz", 10, [score(1, "a", "1", 3)])
    assert rows(merged) == [["Student", "SIS User ID", "'=Quiz"], ["'" + cell, "1", "0.3"]]


def test_numbers_stay_numbers() -> None:
    assert [harmless(one) for one in ("-1.5", "+3", "-2 %", "0.3")] == ["-1.5", "+3", "'-2 %", "0.3"]


@pytest.mark.parametrize("cell", ["-", "+", "-1.5", "-1,234.50", "-.5", "-1e-05", "-12%"])
def test_a_sign_alone_and_a_number_stay_as_they_are(cell: str) -> None:
    text = f'Student,SIS User ID,Quiz,Notes\r\nBo,1,0.3,"{cell}"\r\n'
    merged, _ = merge_canvas(text, "Quiz", 10, [score(1, "a", "1", 3)])
    assert rows(merged) == rows(text)


def test_names_in_a_roster_do_no_harm_in_an_export(url: str) -> None:
    course = opened(url)
    course.import_roster('name,login,section\n"=HYPERLINK(""http://x"")",a,@here\n')
    course.publish(document())
    assert rows(course.export_gradescope())[1][:5] == ['\'=HYPERLINK("http://x")', "", "", "", "'@here"]
    course.close()


def test_points_are_written_without_binary_fractions() -> None:
    assert [decimal(one) for one in (0, 3, 10, 97, 100, -3)] == ["0.0", "0.3", "1.0", "9.7", "10.0", "-0.3"]

"""Rosters, invitations, passwords, sessions, and how often one may try."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
import time_machine
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from pellucid.course import roster
from pellucid.course.storage import Course, Denied, NotFound, Refused, TooMany
from pellucid.course.storage.passwords import ALPHABET, Passwords, code_hash, new_code
from pellucid.course.storage.tables import invitation, member, session
from tests.course.classroom import ROSTER, answer, opened, student

PASSWORD = "correct horse"


def joined(course: Course, name: str = "Bo", password: str = PASSWORD) -> str:
    """The login of a student who has a password now."""
    return course.accept(course.invite(student(course, name).id), password).login


@pytest.mark.parametrize("text", [
    "name,email,student id,section\nBo Li,bo@x.edu,7,A\n",
    "\ufeffName;E-Mail;Student ID;Section\r\nBo Li;bo@x.edu;7;A\r\n",
    'First Name,Last Name,SID,Email Address,Sections\n"Bo",Li,7,"bo@x.edu",A\n',
    "\n\nSection\tSTUDENT_ID\temail\tName\tremarks\nA\t7\tbo@x.edu\tBo  Li\twrites left\n\n",
    "姓名,電子郵件,學號,班級\nBo Li,bo@x.edu,7,A\n",
    "Student,ID,SIS User ID,Section,Email\nBo Li,998877,7,A,bo@x.edu\n",
    "Name,SID,Email,Section,Notes,Notes,,\nBo Li,7,bo@x.edu,A,late,,,\n",
])  # fmt: skip
def test_a_list_is_read_whatever_its_columns_are_called(text: str) -> None:
    entries, problems = roster.read(text)
    assert problems == []
    (one,) = entries
    assert (one.name, one.email, one.student_id, one.section, one.login) == ("Bo Li", "bo@x.edu", "7", "A", "bo@x.edu")


@pytest.mark.parametrize(("text", "line", "words"), [
    ("", 1, "empty"),
    ("name,email\n", 1, "no student"),
    ("nom,courriel\nBo,bo@x.edu\n", 1, "no column for names"),
    ("name,section\nBo,A\n", 1, "no column that tells students apart"),
    ("Name,email,name \nBo,bo@x.edu,Cy\n", 1, "2 columns are called 'Name'; take out or rename all but the one that counts"),
    ("Student,ID,ID\nBo,7,8\n", 1, "2 columns are called 'ID'"),
    ("name,email\nBo,bo@x.edu\nCy,cy at x\n", 3, "'cy at x' is no e-mail address"),
    ("name,email\nBo,bo@x.edu\n,cy@x.edu\n", 3, "no name"),
    ("name,email\nBo,\n", 2, "no login, e-mail address or student id"),
    ("name,email\nBo,bo@x.edu\n\nCy,BO@x.edu\n", 4, "already on line 2"),
    ("name,sid\n\"B\no\",1\nCy,1\n", 4, "student id '1' is already on line 2"),
    ("name,email\nBo,bo@x.edu,A\n", 2, "3 cells"),
    ('name,email\n"Bo,bo@x.edu\n', 2, "no CSV"),
    ("name,login\nB\x00o,bo\n", 2, "control characters"),
    (f"name,login\n{'B' * 401},bo\n", 2, "401 characters"),
])  # fmt: skip
def test_what_is_wrong_with_a_list_is_said_with_its_line(text: str, line: int, words: str) -> None:
    _, problems = roster.read(text)
    assert [number for number, message in problems if words in message] == [line], problems


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    entries, problems = roster.read(text)
    assert entries or problems


def test_a_list_with_a_problem_is_not_imported_at_all(course: Course) -> None:
    before = course.members()
    report = course.import_roster("name,email\nEd,ed@x.edu\nFo,not an address\n")
    assert [(one.line, report.added) for one in report.problems] == [(3, 0)]
    assert course.members() == before


def test_importing_again_updates_and_invites_nobody_twice(course: Course) -> None:
    again = course.import_roster(ROSTER)
    assert (again.added, again.updated, again.unchanged, again.invitations) == (0, 0, 3, ())
    changed = ROSTER.replace("Bo Li", "Bo Lin").replace("1002,B", "1002,C") + "Ed,ed@x.edu,1004,A\n"
    planned = course.import_roster(changed, dry_run=True)
    assert (planned.added, planned.updated, planned.unchanged, planned.invitations) == (1, 2, 1, ())
    assert student(course, "Bo").name == "Bo Li", "a dry run changes nothing"
    done = course.import_roster(changed)
    assert (done.added, done.updated, done.unchanged) == (1, 2, 1)
    assert [(one.name, one.login) for one in done.invitations] == [("Ed", "ed@x.edu")]
    assert (student(course, "Bo").name, student(course, "Cy").section) == ("Bo Lin", "C")


def test_a_student_is_known_by_any_of_the_ids(course: Course) -> None:
    bo = student(course, "Bo")
    moved = course.import_roster("name,student id,email\nBo Li,1001,new@x.edu\n")
    assert (moved.added, moved.updated) == (0, 1)
    found = student(course, "Bo")
    assert (found.id, found.login, found.email) == (bo.id, "bo@example.edu", "new@x.edu"), "the login stays"
    renamed = course.import_roster("name,login,sid\nBo Li,boli,1001\nCy Ma,bo@example.edu,1002\n")
    assert renamed.problems, "Bo's login cannot be given to Cy before Bo has another"
    assert course.import_roster("name,login,sid\nBo Li,boli,1001\n").updated == 1
    assert student(course, "Bo").login == "boli"
    both = course.import_roster("name,email,student id\nX,cy@example.edu,1003\n")
    assert "belong to different members: Cy Ma" in both.problems[0].message
    assert "Di Wu" in both.problems[0].message


def test_two_students_may_swap_logins(url: str) -> None:
    course = opened(url)
    course.import_roster("name,login,sid\nBo,one,1\nCy,two,2\n")
    swapped = course.import_roster("name,login,sid\nBo,two,1\nCy,one,2\n")
    assert swapped.problems, "each line fits both: that is for a person to sort out"
    assert {member.login for member in course.members()} == {"one", "two"}
    course.close()


def test_an_instructor_who_is_invited_joins_by_the_invitation(course: Course) -> None:
    grace = course.add_instructor("grace", "Grace", None)
    assert grace.joined is None
    with pytest.raises(Denied):
        course.log_in("grace", "")
    code = course.invite(grace.id)
    assert course.invited(code) == grace
    assert course.accept(code, PASSWORD).joined is not None
    with pytest.raises(NotFound, match="used already"):
        course.invited(code)


def test_an_instructor_is_no_student(course: Course) -> None:
    ada = course.add_instructor(" Ada@X.edu ", "Ada  Lovelace", PASSWORD)
    assert (ada.login, ada.name, ada.role) == ("ada@x.edu", "Ada Lovelace", "instructor")
    report = course.import_roster("name,login\nAda,ada@x.edu\n")
    assert "is an instructor" in report.problems[0].message
    with pytest.raises(Refused, match="login of a student"):
        course.add_instructor("bo@example.edu", "Bo", PASSWORD)
    token, _ = course.log_in("ada@x.edu", PASSWORD)
    again = course.add_instructor("ada@x.edu", "Ada King", "another password")
    assert (again.id, again.name) == (ada.id, "Ada King")
    assert course.member_of(token) is None, "a new password ends what was begun with the old one"
    assert course.log_in("ADA@x.edu", "another password")[1] == again
    assert course.members()[0] == again
    for login, name in (("", "x"), ("x", " "), ("a\x00b", "x")):
        with pytest.raises(Refused):
            course.add_instructor(login, name, PASSWORD)


def test_a_code_can_be_typed_and_works_once(course: Course) -> None:
    bo = student(course, "Bo")
    assert bo.joined is None
    old, code = course.invite(bo.id), course.invite(bo.id)
    assert re.fullmatch(rf"([{ALPHABET}]{{4}}-){{2}}[{ALPHABET}]{{4}}", code)
    assert not set("01IO") & set(ALPHABET)
    with pytest.raises(NotFound, match="not valid"):
        course.accept(old, PASSWORD)
    with pytest.raises(Refused, match="at least 8"):
        course.accept(code, "short")
    member = course.accept(f" {code.lower().replace('-', ' ')} ", PASSWORD)
    assert member.id == bo.id
    assert member.joined is not None
    with pytest.raises(NotFound, match="used already"):
        course.accept(code, PASSWORD)
    with pytest.raises(NotFound):
        course.accept("", PASSWORD)
    with pytest.raises(NotFound):
        course.invite(10**30)


def test_a_new_password_ends_the_sessions(course: Course) -> None:
    login = joined(course)
    token, bo = course.log_in(login, PASSWORD)
    assert course.member_of(token) == bo
    again = course.accept(course.invite(bo.id), "another password")
    assert again.joined == bo.joined
    assert course.member_of(token) is None
    with pytest.raises(Denied):
        course.log_in(login, PASSWORD)
    assert course.member_of(course.start_session(bo.id)) == bo


def test_a_session_ends_by_logging_out_or_after_thirty_days(course: Course) -> None:
    login = joined(course)
    (one, bo), (two, _) = course.log_in(login, PASSWORD), course.log_in(login, PASSWORD)
    course.log_out(one)
    assert (course.member_of(one), course.member_of(two), course.member_of("nonsense")) == (None, bo, None)
    for days, there in ((29.9, bo), (30.1, None)):
        with time_machine.travel(datetime.now(UTC) + timedelta(days=days), tick=False):
            assert course.member_of(two) == there


def test_what_is_stored_opens_nothing(course: Course) -> None:
    code = course.invite(student(course, "Cy").id)
    login = joined(course)
    token, _ = course.log_in(login, PASSWORD)
    with course.database.read() as connection:
        kept = "\n".join(
            str(row) for table in (member, invitation, session) for row in connection.execute(sa.select(table))
        ) + str(course.audit())  # fmt: skip
    for secret in (code, code.replace("-", ""), token, PASSWORD):
        assert secret not in kept
    assert code_hash(code) in kept


def test_ten_wrong_passwords_and_then_one_waits(course: Course) -> None:
    login, other = joined(course), joined(course, "Cy")
    for _ in range(9):
        with pytest.raises(Denied, match="login or password is wrong"):
            course.log_in(login, "wrong password")
    course.log_in(login, PASSWORD)  # a right one in time forgives the wrong ones
    for _ in range(10):
        with pytest.raises(Denied):
            course.log_in(login, "wrong password")
    with pytest.raises(TooMany) as refused:
        course.log_in(login, PASSWORD)
    assert 595 <= refused.value.retry_after <= 601
    assert "10 minutes" in str(refused.value)
    course.log_in(other, PASSWORD)  # whoever shares the address is not shut out
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=602)):
        course.log_in(login, PASSWORD)


def test_an_unknown_login_is_counted_and_refused_like_a_known_one(course: Course) -> None:
    joined(course)
    answers = set()
    for login in ("bo@example.edu", "cy@example.edu", "nobody"):  # with a password, invited, unknown
        said = []
        for _ in range(11):
            with pytest.raises((Denied, TooMany)) as refused:
                course.log_in(login, "wrong password")
            said.append(re.sub(r"\d+", "n", str(refused.value)))
        answers.add(tuple(said))
    assert len(answers) == 1
    with pytest.raises(Refused):
        course.log_in("a\x00b", PASSWORD)


def test_the_work_is_the_same_for_whom_there_is_not() -> None:
    """Not the time but the work: whether a password is checked with the same parameters."""
    hasher = Passwords().hasher
    assert (hasher.memory_cost, hasher.time_cost, hasher.parallelism) == (65_536, 3, 4), "RFC 9106, little memory"
    passwords = Passwords(PasswordHasher(1, 8, 1))
    real = passwords.hash(PASSWORD)
    assert real.rsplit("$", 2)[0] == passwords._nobody.rsplit("$", 2)[0] == "$argon2id$v=19$m=8,t=1,p=1"
    assert passwords.verify(real, PASSWORD)
    assert not passwords.verify(real, PASSWORD + "!")
    assert not passwords.verify(None, PASSWORD)
    assert not passwords.verify("damaged", PASSWORD)


def test_old_parameters_are_renewed_at_the_next_log_in(course: Course) -> None:
    login = joined(course)
    later = Course(course.database, Passwords(PasswordHasher(2, 16, 1)))
    later.log_in(login, PASSWORD)
    with course.database.read() as connection:
        kept = connection.execute(sa.select(member.c.password).where(member.c.login == login)).scalar_one()
    assert kept.startswith("$argon2id$v=19$m=16,t=2,p=1")
    later.log_in(login, PASSWORD)


def test_saves_are_never_refused_below_five_a_second(course: Course) -> None:
    bo, cy = student(course, "Bo"), student(course, "Cy")
    start = datetime.now(UTC)
    limits = course._limits
    with time_machine.travel(start, tick=False) as clock:
        for _ in range(5 * 60 * 5):
            limits.save(bo.id)
            clock.shift(0.2)
        for _ in range(300):  # a queue from some time offline
            limits.save(cy.id)
        with pytest.raises(TooMany) as refused:
            answer(course, cy, "q1", "a")
        assert 1 <= refused.value.retry_after <= 61
        answer(course, bo, "q1", "a")


def test_codes_do_not_repeat() -> None:
    assert len({new_code() for _ in range(1000)}) == 1000

"""A whole course in Chromium, as its instructor and two students live through it."""

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import keyed
from tests.browser.classroom import PASSWORD, Classroom, choose
from tests.browser.conftest import PATIENCE

expect.set_options(timeout=PATIENCE)
ROSTER = "name,email,student id,section\nGrace Hopper,grace@example.edu,1001,A\nAlan Turing,alan@example.edu,1002,B\n"


@contextmanager
def browsing(browser: Browser) -> Iterator[Page]:
    """A page of a browser of its own, with cookies and storage that nobody else has. Afterwards: nothing was thrown in it."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    yield page
    context.close()
    assert not thrown


def tab(page: Page, name: str) -> Locator:
    page.get_by_role("tab", name=name, exact=True).click()
    return page.get_by_role("tabpanel", name=name, exact=True)


def asked(page: Page, path: str) -> Any:
    """What the server says to the page itself."""
    return page.evaluate("async path => (await fetch(path)).json()", f"/api/course/{path}")


def confirmed(page: Page, title: str, yes: str) -> None:
    """Goes ahead in the dialog, after a look at it."""
    dialog = page.get_by_role("dialog", name=re.compile(title))
    dialog.get_by_role("button", name=yes, exact=True).click()
    expect(dialog).to_have_count(0)


def downloaded(page: Page, act: Locator, folder: Path) -> Path:
    with page.expect_download() as download:
        act.click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return file


def handed_in(panel: Locator, label: str, name: str, text: str) -> None:
    panel.get_by_label(label).set_input_files({"name": name, "mimeType": "text/csv", "buffer": text.encode()})


def invited(page: Page) -> dict[str, str]:
    """The codes by login, as they are shown this once."""
    slips = page.get_by_role("list", name="Codes").get_by_role("listitem")
    codes = [(slip.locator("dd").nth(0).inner_text(), slip.locator("dd").nth(1).inner_text()) for slip in slips.all()]
    return dict(codes)


def join(page: Page, address: str, code: str) -> None:
    page.goto(f"{address}?view=course&invitation={code}&courseQuestion=peak")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Set the password and log in").click()
    expect(page.get_by_role("heading", name=re.compile("Question 2 of 4"))).to_be_visible()


def answer(page: Page, question: str, options: str) -> None:
    page.locator(f"[data-question={question}]").click()
    choose(page, question, options)
    expect(page.locator(".pane .line")).to_have_attribute("data-phase", "saved")


def moved(panel: Locator, side: str) -> list[list[str]]:
    """Who rises or falls, with the points before and after."""
    rows = panel.get_by_role("region", name=side, exact=True).get_by_role("row").all()[1:]
    return [[row.get_by_role("rowheader").inner_text(), *row.get_by_role("cell").all_inner_texts()] for row in rows]


def test_a_whole_course_from_the_roster_to_the_grades(browser: Browser, page: Page, tmp_path: Path):
    room = Classroom(tmp_path / "whole4", 0, keyed.document(), "draft")
    try:
        room.start()
        page.goto(room.address)
        page.get_by_label("Login name").fill("ada")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Log in", exact=True).click()
        codes = a_roster_is_imported(page, tmp_path)
        the_course_is_opened(page)
        with browsing(browser) as grace, browsing(browser) as alan:
            join(grace, room.address, codes["grace@example.edu"])
            join(alan, room.address, codes["alan@example.edu"])
            for question, hers, his in (("peak", "b", "c"), ("inside", "ab", "a"), ("offset", "a", "a")):
                answer(grace, question, hers)
                answer(alan, question, his)
            kept = grace.request.get(f"{room.address}api/course/answers").json()["answers"]
            the_course_is_closed(page)
            grace.reload()
            expect(grace.get_by_text("0.7 of 1.4 points")).to_be_visible()  # the policy is: after it is closed
            expect(grace.get_by_role("checkbox").first).to_be_disabled()
            the_key_is_reviewed(page)
            the_key_is_changed(page)
            the_items_are_looked_at(page, tmp_path)
            the_grades_are_taken_away(page, tmp_path, kept["peak"]["receipt"])
            grace.reload()
            expect(grace.get_by_text("1.0 of 1.4 points")).to_be_visible()
    finally:
        room.close()


def a_roster_is_imported(page: Page, folder: Path) -> dict[str, str]:
    panel = tab(page, "Roster")
    panel.get_by_label("or paste it").fill(ROSTER + ",no address,,\n")
    panel.get_by_role("button", name="Try it out").click()
    expect(panel.get_by_text("line 4").first).to_be_visible()
    assert panel.get_by_text("line 4").count() > 1
    expect(panel.get_by_text("One line cannot be taken")).to_be_visible()
    expect(panel.get_by_text("It would change this")).to_have_count(0)
    expect(panel.get_by_role("button", name="Import")).to_be_disabled()
    handed_in(panel, "Choose a file", "class.csv", ROSTER)
    expect(panel.get_by_text("It would change this: 2 added, 0 updated, 0 unchanged")).to_be_visible()
    assert len(asked(page, "members")["members"]) == 1  # nothing was changed yet
    panel.get_by_role("button", name="Import").click()
    expect(panel.get_by_text("These codes are shown once.")).to_be_visible()
    codes = invited(page)
    kept = list(csv.reader(io.StringIO(downloaded(page, panel.get_by_role("button", name="Download CSV"), folder).read_text())))
    assert kept[0] == ["name", "login", "code", "address"]
    assert {login: code for _, login, code, _ in kept[1:]} == codes
    assert {link.partition("&invitation=")[2] for *_, link in kept[1:]} == set(codes.values())
    again = panel.get_by_role("button", name="New code for Alan Turing")
    again.click()
    page.get_by_role("dialog", name="A new code for Alan Turing").get_by_role("button", name="Cancel").click()
    assert invited(page) == codes, "a code that was handed out stays until somebody says yes"
    again.click()
    confirmed(page, "A new code for Alan Turing", "Yes, make it")
    expect(page.get_by_role("list", name="Codes").get_by_role("listitem").first).to_contain_text("Alan Turing")
    newer = invited(page)
    assert newer["grace@example.edu"] == codes["grace@example.edu"]
    assert newer["alan@example.edu"] != codes["alan@example.edu"]
    page.emulate_media(media="print")
    expect(page.locator(".slips").get_by_text("choose a password").first).to_be_visible()
    expect(page.locator("[role=tab]").first).to_be_hidden()
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf())) == 1  # what is not printed takes no paper
    page.emulate_media(media="screen")
    panel.get_by_label(re.compile("^Search")).fill("hop a")
    expect(panel.get_by_role("region", name="Members").get_by_role("row")).to_have_count(2)
    return newer


def the_course_is_opened(page: Page) -> None:
    panel = tab(page, "State")
    panel.get_by_role("radio", name=re.compile("^Open")).check()
    panel.get_by_label(re.compile("^Closes by itself at")).fill("2020-01-01T10:00")
    expect(panel.get_by_text("This closing time has passed")).to_be_visible()
    panel.get_by_role("button", name="No closing time").click()
    panel.get_by_role("button", name="Change it…").click()
    expect(page.get_by_role("dialog")).to_contain_text("2 students can answer until you close it.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("heading", name="The course is a draft")).to_be_visible()
    panel.get_by_role("button", name="Change it…").click()
    confirmed(page, "Open from now on", "Yes, open it")
    expect(page.get_by_role("heading", name="The course is open")).to_be_visible()


def the_course_is_closed(page: Page) -> None:
    panel = tab(page, "State")
    panel.get_by_role("radio", name=re.compile("^Closed")).check()
    panel.get_by_role("button", name="Change it…").click()
    confirmed(page, "Closed from now on", "Yes, close it")
    expect(page.get_by_role("heading", name="The course is closed")).to_be_visible()


def the_key_is_reviewed(page: Page) -> None:
    panel = tab(page, "Key")
    counted = panel.get_by_role("region", name="Candidates by group").get_by_role("row")
    expect(counted.nth(1)).to_have_text(re.compile(r"LIME\s*10\s*8\s*7\s*2\s*1\s*0"))
    expect(counted.last).to_have_text(re.compile(r"All\s*18\s*16\s*15\s*2\s*1\s*0"))
    expect(panel.get_by_text("1.4 points")).to_be_visible()
    expect(panel.get_by_text("peak: option b is shown and AMBIGUOUS")).to_be_visible()
    panel.get_by_role("button", name=re.compile("^2. peak")).click()
    assert "courseTab=key%2Fpeak" in page.url or "courseTab=key/peak" in page.url
    option = panel.get_by_role("article", name="Option b")
    expect(option.locator(".badges")).to_contain_text("AMBIGUOUS")
    plot = option.get_by_role("slider")
    expect(plot).to_have_accessible_name(
        re.compile("Margins of 24 runs, from -0.0600 to 0.0200 share; .*on the other side of zero")
    )
    plot.focus()
    page.keyboard.press("End")
    expect(plot).to_have_attribute("aria-valuetext", re.compile("^mask"))
    assert option.locator("svg .cross").count() == 4
    votes = option.get_by_role("group", name="Votes on option b")
    votes.get_by_role("button", name="Override").click()
    expect(votes.get_by_text("An override needs its reason")).to_be_visible()
    votes.get_by_label(re.compile("^Reason")).fill("=two of us saw the same")
    votes.get_by_role("button", name="Override").click()
    expect(votes.get_by_text("1 overrides")).to_be_visible()
    expect(option).to_contain_text("ada overrides: =two of us saw the same")
    expect(
        panel.get_by_text("Every option that is shown is safe or overridden with a reason, and nobody disagrees.")
    ).to_be_visible()
    panel.get_by_role("article", name="Option a").get_by_role("button", name="Agree", exact=True).click()
    expect(panel.get_by_role("group", name="Votes on option a")).to_contain_text("1 agrees")
    panel.get_by_role("button", name=re.compile("^1. inside")).click()
    expect(panel.get_by_role("article")).to_have_count(6)
    panel.get_by_role("button", name="What students see").click()
    expect(panel.get_by_role("article", name=re.compile("^saliency, "))).to_have_attribute(
        "data-phase", re.compile("weighing|done")
    )


def the_key_is_changed(page: Page) -> None:
    panel = tab(page, "Regrade")
    panel.get_by_label("Question").select_option("peak")
    panel.get_by_label("c belongs to accepted selection 1").uncheck()
    expect(panel.get_by_text("choosing nothing is no answer")).to_have_count(2)
    panel.get_by_label("b belongs to accepted selection 1").check()
    expect(panel.get_by_role("button", name="Preview")).to_be_disabled()
    panel.get_by_label("Reason").fill("the mask was of another picture")
    panel.get_by_role("button", name="Preview").click()
    preview = panel.get_by_role("region", name="Preview")
    expect(preview).to_contain_text("1 rises, 1 falls, 0 stay; the mean goes from 0.70 to 0.70 of 1.4 points.")
    assert moved(preview, "Rises") == [["Grace Hopper", "0.7", "1.0"]]
    assert moved(preview, "Falls") == [["Alan Turing", "0.7", "0.4"]]
    assert len(asked(page, "keys")["versions"]) == 1  # nothing is committed
    panel.get_by_role("radio", name=re.compile("^Accept either")).check()
    expect(preview).to_contain_text("preview it again")
    expect(panel.get_by_role("button", name="Regrade…")).to_be_disabled()
    panel.get_by_role("button", name="Preview").click()
    expect(preview).to_contain_text("Nobody falls.")
    panel.get_by_role("radio", name=re.compile("^Replace the old key")).check()
    panel.get_by_role("button", name="Preview").click()
    expect(preview).to_contain_text("1 falls")
    panel.get_by_role("button", name="Regrade…").click()
    confirmed(page, "Make a new version", "Yes, regrade")
    expect(panel.get_by_text("Version 2 counts from now on:")).to_be_visible()
    expect(panel.get_by_text("Now earns the points:")).to_contain_text("Now earns")
    panel = tab(page, "Key")
    versions = panel.get_by_role("region", name="Versions of the key").get_by_role("row")
    expect(versions.nth(1)).to_contain_text("the mask was of another picture")
    expect(panel.get_by_role("list", name="What changed since version 1")).to_contain_text("peak: was c; is b")
    versions.nth(2).get_by_role("button").click()
    expect(panel.get_by_text("version 1 is shown")).to_be_visible()


def the_items_are_looked_at(page: Page, folder: Path) -> None:
    panel = tab(page, "Items")
    expect(panel.get_by_text("too few (n < 30)").first).to_be_visible()
    row = panel.get_by_role("region", name="Item analysis").get_by_role("row").filter(has_text="2. peak")
    expect(row).to_contain_text("0.50 (0.09 to 0.91)")  # Wilson for 1 of 2
    row.get_by_role("button", name=re.compile("2. peak")).click()
    options = panel.get_by_role("table", name="Options of peak").get_by_role("row")
    expect(options.nth(2)).to_contain_text(re.compile(r"^b.*right.*50 %"))
    lines = list(
        csv.DictReader(io.StringIO(downloaded(page, panel.get_by_role("button", name="Download CSV"), folder).read_text()))
    )
    assert [float(line["chosen"]) for line in lines if line["question"] == "peak"] == [0, 0.5, 0.5, 0]


def the_grades_are_taken_away(page: Page, folder: Path, receipt: str) -> None:
    panel = tab(page, "Exports")
    file = downloaded(page, panel.get_by_role("link", name="gradescope.csv"), folder)
    rows = {row["SID"]: row for row in csv.DictReader(io.StringIO(file.read_text()))}
    assert {sid: (row["First Name"], row["Total Score"]) for sid, row in rows.items()} == {
        "1001": ("Grace", "1.0"),
        "1002": ("Alan", "0.4"),
    }
    assert [rows["1001"][name] for name in rows["1001"] if name.startswith("2: ")] == ["0.3"]
    grades = json.loads(downloaded(page, panel.get_by_role("link", name="grades.json"), folder).read_text())
    assert grades["key_version"] == 2
    assert sorted(student["total_tenths"] for student in grades["students"]) == [4, 10]
    assert "accepted" not in json.dumps(grades)
    header = "Student,ID,SIS User ID,SIS Login ID,Section\nPoints Possible,,,,\n"
    gradebook = header + '"Hopper, Grace",7,1001,,A\n"Else, Somebody",8,9999,,A\n'
    handed_in(panel, "Gradebook of Canvas", "grades.csv", gradebook)
    expect(panel.get_by_text("1 matched, 0 ambiguous, 2 unmatched.")).to_be_visible()
    expect(panel.get_by_role("list", name="Unmatched")).to_contain_text("9999")
    merged = downloaded(page, panel.get_by_role("button", name=re.compile("^Download grades-with-points")), folder)
    hers = next(row for row in csv.reader(io.StringIO(merged.read_text())) if "1001" in row)
    assert hers[-1] == "1.0"
    panel.get_by_label(re.compile("^Receipt")).fill(receipt)
    panel.get_by_role("button", name="Check").click()
    expect(
        panel.get_by_text("Genuine: Grace Hopper (grace@example.edu) saved “peak option b” (b) for question 2 (peak)")
    ).to_be_visible()
    panel.get_by_label(re.compile("^Receipt")).fill(receipt[:-1] + ("0" if receipt[-1] != "0" else "1"))
    panel.get_by_role("button", name="Check").click()
    expect(panel.get_by_text("No answer in this course has this receipt")).to_be_visible()
    log = panel.get_by_role("region", name="Audit log")
    for act in ("roster", "state", "review", "regrade"):
        expect(log.get_by_role("cell", name=act, exact=True).first).to_be_visible()
    kept = downloaded(page, panel.get_by_role("button", name="Download CSV"), folder).read_text()
    assert "the mask was of another picture" in kept

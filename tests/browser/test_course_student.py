"""A student's course in Chromium: nothing that was chosen is lost, whoever else sits down at the browser."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from tests.browser.classroom import PASSWORD, Classroom, choose
from tests.browser.conftest import PATIENCE
from tests.browser.pages import PHONE, dressed, exported, fits_a_phone, nothing_serious, unplugged

expect.set_options(timeout=PATIENCE)
SHIFT = (
    "window.shift = 0; new PerformanceObserver(list => { for (const e of list.getEntries()) "
    "if (!e.hadRecentInput) window.shift += e.value }).observe({ type: 'layout-shift', buffered: true })"
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    """A course that is open, on a server that runs."""
    made = Classroom(tmp_path_factory.mktemp("course") / "xai4")
    made.start()
    yield made
    made.close()


@pytest.fixture
def device(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """Makes browsers of their own: each keeps its cookies and its storage to itself."""
    opened: list[BrowserContext] = []

    def another() -> BrowserContext:
        opened.append(browser.new_context(viewport={"width": 1280, "height": 720}))
        opened[-1].set_default_timeout(PATIENCE)
        return opened[-1]

    yield another
    for one in opened:
        one.close()


def line(page: Page) -> Locator:
    """What is said of the answer that is shown."""
    return page.locator(".pane .line")


def saved(page: Page) -> str:
    """The receipt, once the server has acknowledged the answer that is shown."""
    expect(line(page)).to_have_attribute("data-phase", "saved")
    found = re.search(r"\d+-[0-9a-f]{16}", line(page).inner_text())
    assert found, line(page).inner_text()
    return found[0]


def listed(page: Page, question: str) -> Locator:
    return page.locator(f"[data-question={question}]")


def log_in(page: Page, login: str) -> None:
    page.get_by_label("Login name").fill(login)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()


def waiting(page: Page, changes: int) -> Locator:
    return page.get_by_text(f"waiting for the server ({changes} change{'s' if changes > 1 else ''} kept here)")


def test_a_student_joins_by_an_invitation_answers_and_has_a_receipt(page: Page, room: Classroom, tmp_path: Path):
    page.goto(room.address)
    expect(page).to_have_url(re.compile("view=course"))
    link = f"{room.address}?view=course&courseQuestion=share&invitation={room.invitation()}"
    page.goto(link)
    expect(page.get_by_text(re.compile(r"^At least 8 characters\. From now on you log in as \S+\.$"))).to_be_visible()
    page.get_by_label("New password").fill("short")
    page.get_by_role("button", name="Set the password and log in").click()
    expect(page.get_by_role("alert")).to_contain_text("at least 8 characters")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Set the password and log in").click()
    expect(page.get_by_role("heading", name="Question 2 of 4")).to_be_visible()
    assert "invitation" not in page.url
    expect(listed(page, "share")).to_have_accessible_name("Question 2, unanswered, 0.3 points")
    expect(page.get_by_text("all of them are needed for its points")).to_have_count(1)
    choose(page, "share", "ab")
    receipt = saved(page)
    expect(line(page)).to_contain_text(re.compile(r"saved \d\d:\d\d:\d\d"))
    expect(listed(page, "share")).to_have_accessible_name("Question 2, saved, 0.3 points")
    expect(page.get_by_text("1 of 4 answered")).to_be_visible()
    page.reload()
    expect(page.get_by_role("checkbox", name="share option a")).to_be_checked()
    assert saved(page) == receipt
    checked = room.course.check_receipt(receipt)
    assert checked is not None
    assert (checked["question"], sorted(checked["selected"])) == ("share", ["a", "b"])
    page.goto(link)  # while it goes on: the code was used, and is dropped
    expect(page).not_to_have_url(re.compile("invitation"))
    expect(page.get_by_text("This link invites somebody")).to_have_count(0)
    page.goto(f"{room.address}?view=course&courseQuestion=share&invitation={room.invitation()}")
    expect(page.get_by_text("To use it, log out first")).to_be_visible()
    page.goto(f"{room.address}?view=course&courseQuestion=share")
    page.get_by_role("button", name="Receipts").click()
    rows = page.get_by_role("row")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text(receipt)
    expect(rows.nth(1)).to_contain_text("counts")
    expect(rows.nth(2)).not_to_contain_text("counts")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as a text file").click()
    download.value.save_as(tmp_path / "receipts.txt")
    assert (tmp_path / "receipts.txt").read_text().splitlines()[-1].endswith(receipt)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to the course")).to_be_visible()
    assert page.request.get(f"{room.address}api/course/answers").status == 401
    page.goto(link)  # once more, from the same letter
    expect(page.get_by_role("alert")).to_contain_text("used already. If you have set a password with it, log in with that")
    page.get_by_role("button", name="I have a password already").click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_the_room_beside_a_question_is_live_and_its_own(page: Page, room: Classroom):
    room.enter(page, room.student(), "view=course")
    bench = page.get_by_role("region", name="The live explanation")
    shown = bench.get_by_role("article", name=re.compile("^saliency, "))
    expect(shown).to_have_attribute("data-phase", "done")
    reset = bench.get_by_role("button", name="Back to the question's")
    expect(reset).to_be_disabled()
    for option in page.locator(".pane label").all():  # a number is the key's, and stands apart from the answer
        key, text = option.locator("kbd").bounding_box(), option.get_by_text("top option").bounding_box()
        assert key is not None
        assert text is not None
        assert key["x"] >= text["x"] + text["width"]
    page.keyboard.press("1")  # on arrival, an option
    page.get_by_text("Which hold for top?").click()
    page.keyboard.press("2")
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("3")
    for option, checked in enumerate((True, True, True, False)):
        expect(page.get_by_role("checkbox").nth(option)).to_be_checked(checked=checked)
    page.keyboard.press("Control+4")
    page.get_by_label("Language").focus()
    page.keyboard.press("4")
    bench.get_by_label("Another class").click()
    page.keyboard.press("4")  # it is typed
    expect(page.get_by_role("checkbox").nth(3)).not_to_be_checked()
    expect(bench.get_by_role("button", name=re.compile("^Picture 3"))).to_have_attribute("aria-pressed", "true")
    bench.get_by_role("button", name=re.compile("^Picture 3")).focus()
    page.keyboard.press("5")  # in the room, a picture
    expect(bench.get_by_role("button", name=re.compile("^Picture 5"))).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("checkbox", name=re.compile("top option"), checked=True)).to_have_count(3)
    assert "image=" not in page.url
    expect(bench.get_by_role("link", name="Open in the full lab")).to_have_attribute("href", re.compile("image=observation:5"))
    page.get_by_role("heading", name="Question 1 of 4").focus()
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="Question 2 of 4")).to_be_focused()
    expect(page.get_by_text("This question has no view of its own")).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_role("region", name="The live explanation").get_by_role("heading", level=2)).to_contain_text("apple")
    page.keyboard.press("p")
    page.keyboard.press("p")
    expect(bench.get_by_role("button", name=re.compile("^Picture 5"))).to_have_attribute(
        "aria-pressed", "true"
    )  # as it was left
    reset.click()
    expect(bench.get_by_role("button", name=re.compile("^Picture 3"))).to_have_attribute("aria-pressed", "true")
    page.go_back()
    expect(page).to_have_url(re.compile("courseQuestion=share"))


def test_an_answer_that_comes_when_its_question_was_left_is_let_go(page: Page, room: Classroom):
    told: list[str] = []
    held: list[Route] = []
    page.on("console", lambda message: told.append(message.text))
    page.route("**/labels", lambda route: held.append(route))
    room.enter(page, room.student(), "view=course")
    expect(page.get_by_role("article", name=re.compile("^saliency, "))).to_have_attribute("data-phase", "done")
    listed(page, "order").click()
    expect(page.get_by_text("Which hold for order?")).to_be_visible()
    (asked,) = held
    with page.expect_response("**/labels") as answer:
        asked.continue_()
    answer.value.finished()
    page.wait_for_timeout(200)
    assert not [text for text in told if "svelte.dev" in text]


@pytest.mark.parametrize("how", ["by itself", "online"])
def test_who_waits_for_the_opening_sees_it_soon(page: Page, room: Classroom, how: str):
    def early(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "state": "draft"})

    page.clock.install()
    page.route("**/api/course", early)
    room.enter(page, room.student())
    expect(page.get_by_text("The course has not been opened yet.")).to_be_visible()
    page.unroute("**/api/course")
    if how == "online":
        page.evaluate("dispatchEvent(new Event('online'))")
    else:
        page.clock.fast_forward(13_000)
    expect(page.get_by_role("heading", name="Question 2 of 4")).to_be_visible(timeout=20_000)


def test_an_interruption_is_told_in_words_for_students_and_gets_over(page: Page, room: Classroom):
    room.enter(page, room.student(), "view=course")
    bench = page.get_by_role("region", name="The live explanation")
    expect(bench.get_by_role("article")).to_have_attribute("data-phase", "done")
    page.context.set_offline(True)
    bench.get_by_role("button", name=re.compile("^Picture 5")).click()
    predictions = bench.get_by_role("region", name="Predictions")
    expect(predictions.get_by_role("alert")).to_have_text(re.compile(r"The server does not answer\. Try again in a moment\."))
    page.context.set_offline(False)
    expect(predictions.get_by_role("button", name=re.compile("^Explain "))).to_have_count(5)
    expect(bench.get_by_role("article")).to_have_attribute("data-phase", "done")


def test_two_devices_are_told_of_each_other_and_the_other_answer_can_be_taken_back(
    room: Classroom, device: Callable[[], BrowserContext]
):
    member = room.student()
    laptop, phone = device().new_page(), device().new_page()
    for one in (laptop, phone):
        room.enter(one, member)
        expect(one.get_by_role("checkbox")).to_have_count(4)
    choose(laptop, "share", "a")
    saved(laptop)
    choose(phone, "share", "b")
    saved(phone)
    told = phone.get_by_role("alert")
    expect(told).to_contain_text(re.compile(r"replaced an answer of yours that was saved elsewhere at .*: share option a\."))
    told.get_by_role("button", name="Take the other one back").click()
    expect(told).to_have_count(0)
    saved(phone)
    assert room.answers(member) == {"share": ["a"]}
    choose(phone, "share", "c")
    saved(phone)
    laptop.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # somebody looks at it again
    expect(laptop.get_by_role("alert")).to_contain_text(re.compile("changed elsewhere at .*: share option a"))
    expect(laptop.get_by_role("checkbox", name="share option c")).to_be_checked()
    laptop.get_by_role("button", name="Leave it as it is").click()
    expect(laptop.get_by_role("alert")).to_have_count(0)


def test_two_tabs_show_one_answer(room: Classroom, device: Callable[[], BrowserContext]):
    member, context = room.student(), device()
    left, right = context.new_page(), context.new_page()
    for one in (left, right):
        room.enter(one, member)
    choose(left, "share", "a")
    saved(left)
    expect(right.get_by_role("checkbox", name="share option a")).to_be_checked()
    choose(right, "share", "b")
    saved(right)
    expect(left.get_by_role("checkbox", name="share option b")).to_be_checked()
    assert room.answers(member) == {"share": ["a", "b"]}
    assert len(room.course.history(member.id)) == 2


def test_a_session_that_ends_loses_nothing_and_another_person_gets_nothing(
    room: Classroom, device: Callable[[], BrowserContext]
):
    first, second, context = room.student(), room.student(), device()
    page = context.new_page()
    room.enter(page, first)
    expect(page.get_by_role("checkbox")).to_have_count(4)
    context.clear_cookies()
    choose(page, "share", "a")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Your session has ended")
    expect(dialog).to_contain_text("one change is kept in this browser")
    assert room.answers(first) == {}
    expect(dialog.get_by_label("Login name")).to_have_value(first.login)
    nothing_serious(page)
    log_in(page, first.login)
    saved(page)
    assert room.answers(first) == {"share": ["a"]}
    context.clear_cookies()
    choose(page, "share", "d")
    expect(dialog).to_be_visible()
    log_in(page, second.login)  # somebody else sits down
    expect(page.get_by_text(f"Logged in as {second.name}")).to_be_visible()
    expect(page.get_by_text("0 of 4 answered")).to_be_visible()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)
    choose(page, "share", "b")
    saved(page)
    assert (room.answers(first), room.answers(second)) == ({"share": ["a"]}, {"share": ["b"]})
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Login name").fill(first.login)
    page.get_by_label("Password", exact=True).fill("not the password")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    log_in(page, first.login)
    saved(page)
    assert (room.answers(first), room.answers(second)) == ({"share": ["a", "d"]}, {"share": ["b"]})


def test_a_tab_sends_nothing_under_the_session_of_whoever_logs_in_beside_it(
    room: Classroom, device: Callable[[], BrowserContext]
):
    first, second, context = room.student(), room.student(), device()
    mine, theirs = context.new_page(), context.new_page()
    room.enter(mine, first)
    expect(mine.get_by_role("checkbox")).to_have_count(4)
    context.route("**/api/course/answers/*", lambda route: route.abort())
    choose(mine, "share", "a")
    expect(waiting(mine, 1).first).to_be_visible()
    theirs.goto(room.address)
    theirs.get_by_role("button", name="Log out").click()
    expect(theirs.get_by_role("alert")).to_contain_text("One change has not reached the server. It stays in this browser")
    theirs.get_by_role("button", name="Log out all the same").click()
    log_in(theirs, second.login)
    expect(theirs.get_by_text("0 of 4 answered")).to_be_visible()
    context.unroute("**/api/course/answers/*")
    expect(mine.get_by_text(f"Logged in as {second.name}")).to_be_visible()
    expect(mine.get_by_text("0 of 4 answered")).to_be_visible()
    assert (room.answers(first), room.answers(second)) == ({}, {})


@pytest.mark.parametrize("stays", [True, False])
def test_without_a_network_somebody_logs_out_all_the_same(room: Classroom, device: Callable[[], BrowserContext], stays: bool):
    member, context = room.student(), device()
    page = context.new_page()
    room.enter(page, member)
    expect(page.get_by_role("checkbox")).to_have_count(4)
    session = "; ".join(f"{one.get('name')}={one.get('value')}" for one in context.cookies())
    context.set_offline(True)
    choose(page, "share", "a")
    expect(waiting(page, 1).first).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="Log out all the same").click()
    expect(page.get_by_role("heading", name="Log in to the course")).to_be_visible()
    expect(page.get_by_text("You are logged out here. The server does not answer")).to_be_visible()
    expect(page.get_by_text(member.name)).to_have_count(0)
    nothing_serious(page)
    if not stays:
        page.close()
    context.set_offline(False)
    if not stays:  # the server learns it at the next visit, whoever's it is
        page = context.new_page()
        page.goto(f"{room.address}?view=course&courseQuestion=share")
    expect(page.get_by_role("heading", name="Log in to the course")).to_be_visible()
    expect(page.get_by_text("You are logged out here.")).to_have_count(0)
    again = page.request.get(f"{room.address}api/course/answers", headers={"Cookie": session})
    assert again.status == 401  # not the browser alone forgot it
    assert room.answers(member) == {}
    log_in(page, member.login)
    saved(page)
    assert room.answers(member) == {"share": ["a"]}


def test_a_closed_course_is_readable_says_what_came_too_late_and_shows_points(page: Page, room: Classroom):
    member = room.student()
    room.enter(page, member)
    expect(page.get_by_text("Points are shown when the course is closed.")).to_be_visible()
    choose(page, "share", "ab")
    saved(page)
    page.route("**/api/course/answers/order", lambda route: route.abort())
    page.get_by_role("button", name="Question 4").click()
    choose(page, "order", "d")
    expect(waiting(page, 1).first).to_be_visible()
    try:
        closing = datetime.now(UTC) + timedelta(seconds=1)
        room.course.set_state("open", closing.isoformat())
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # from here on the page knows when
        expect(page.get_by_text(re.compile("^The course closed on .*You can read your answers"))).to_be_visible()
        expect(page.get_by_text("Not received before the course closed, so not counted: Question 4.")).to_be_visible()
        page.unroute("**/api/course/answers/order")
        expect(page.get_by_role("checkbox", name="order option d")).not_to_be_checked()
        expect(page.get_by_role("checkbox", name="order option d")).to_be_disabled()
        expect(page.get_by_text("not received: Question 4")).to_be_visible()
        expect(listed(page, "order")).to_have_accessible_name(re.compile("^Question 4, not received"))
        page.reload()  # nothing waits any more
        expect(page.get_by_role("alert")).to_contain_text("not received before the course closed, so it was not counted")
        expect(page.get_by_text(re.compile("waiting"))).to_have_count(0)
        expect(page.get_by_role("button", name="Send it now")).to_have_count(0)
        nothing_serious(page)
        expect(page.get_by_text(re.compile(r"^0\.3 of 1\.4 points"))).to_be_visible()
        page.get_by_role("button", name=re.compile("^Question 2, right, 0.3 of 0.3 points")).click()
        expect(listed(page, "share")).to_contain_text("✓ right")
        expect(page.locator(".pane header")).to_contain_text("✓ right, 0.3 of 0.3 points")
        expect(page.get_by_role("checkbox", name="share option a")).to_be_checked()
        page.keyboard.press("3")
        assert room.answers(member) == {"share": ["a", "b"]}
    finally:
        room.course.set_state("open")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text("not saved, please look: Question 4")).to_be_visible()
    page.reload()  # the course is open, and still it is not for the page to decide
    expect(page.get_by_text("not saved, please look: Question 4")).to_be_visible()
    expect(page.get_by_text("1 of 4 answered")).to_be_visible()
    listed(page, "order").click()
    expect(page.get_by_role("alert")).to_contain_text("you chose here: order option d")
    nothing_serious(page)
    assert room.answers(member) == {"share": ["a", "b"]}
    page.get_by_role("button", name="Send it now").click()
    saved(page)
    expect(page.get_by_text("all changes saved")).to_be_visible()
    assert room.answers(member) == {"share": ["a", "b"], "order": ["d"]}


def test_a_tick_after_the_course_closed_takes_no_right_answer_away(page: Page, room: Classroom):
    member = room.student()
    room.enter(page, member)
    choose(page, "share", "ab")
    saved(page)
    try:
        room.course.set_state("closed")
        choose(page, "share", "c")  # the page does not know yet
        expect(page.get_by_text("Not received before the course closed, so not counted: Question 2.")).to_be_visible()
    finally:
        room.course.set_state("open")
    page.reload()
    told = page.get_by_role("alert")
    expect(told).to_contain_text("share option c")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(2)
    told.get_by_role("button", name="Drop it").click()
    expect(told).to_have_count(0)
    saved(page)
    page.reload()
    saved(page)
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(2)
    assert room.answers(member) == {"share": ["a", "b"]}


def test_in_chinese_and_kept_so(page: Page, room: Classroom):
    room.enter(page, room.student())
    page.get_by_label("Language").select_option("zh-TW")
    expect(page.get_by_role("heading", name="第 2 題，共 4 題")).to_be_visible()
    expect(page.get_by_text("share 的敘述何者正確？")).to_be_visible()
    page.get_by_role("checkbox", name="share 選項甲").click()
    expect(line(page)).to_contain_text(re.compile(r"已於 \d\d:\d\d:\d\d 儲存，\s*收據"))
    expect(page.locator(".course")).to_have_attribute("lang", "zh-TW")
    page.goto(f"{room.address}?view=course&courseQuestion=share")  # without the language in the link
    expect(page.get_by_text("已作答 1 題，共 4 題")).to_be_visible()
    page.goto(f"{room.address}?view=course&courseLanguage=en")
    expect(page.get_by_text("1 of 4 answered")).to_be_visible()


def test_everything_goes_by_keyboard_and_nothing_jumps(page: Page, room: Classroom):
    page.add_init_script(SHIFT)
    member = room.student()
    room.enter(page, member)
    expect(page.get_by_role("checkbox")).to_have_count(4)
    for _ in range(60):
        if page.evaluate("document.activeElement?.dataset.question") == "order":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Question 4 of 4")).to_be_focused()
    page.keyboard.press("4")
    expect(page.get_by_role("checkbox").nth(3)).to_be_focused()
    page.keyboard.press("Space")  # takes it out again
    page.keyboard.press("1")
    saved(page)
    assert [len(one.selected) for one in room.course.history(member.id)][-1] == 1
    page.keyboard.press("Control+n")
    page.keyboard.press("n")  # there is no next one
    expect(page.get_by_role("heading", name="Question 4 of 4")).to_be_visible()
    assert page.evaluate("window.shift") < 0.05


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: Page, room: Classroom, scheme: str):
    dressed(page, scheme)
    page.goto(room.address)
    expect(page.get_by_label("Login name")).to_be_visible()
    nothing_serious(page)
    room.enter(page, room.student())
    choose(page, "share", "a")
    saved(page)
    nothing_serious(page)
    page.get_by_role("button", name="Receipts").click()
    expect(page.get_by_role("row")).to_have_count(2)
    nothing_serious(page)
    page.goto(f"{room.address}?view=course")
    expect(page.locator(".bench [data-phase=done]").first).to_be_visible()
    nothing_serious(page)


def test_on_a_phone_it_is_one_column(page: Page, room: Classroom):
    page.set_viewport_size(PHONE)
    page.goto(room.address)
    expect(page.get_by_label("Login name")).to_be_visible()
    fits_a_phone(page)
    room.enter(page, room.student(), "view=course")
    expect(page.locator(".bench [data-phase=done]").first).to_be_visible()
    fits_a_phone(page)
    boxes = [page.locator(f".desk > .{part}").bounding_box() for part in ("list", "pane", "bench")]
    tops = [box["y"] for box in boxes if box is not None]
    assert len(tops) == 3
    assert tops == sorted(tops)
    assert tops[1] < PHONE["height"]  # the question is on the first screen
    page.get_by_role("button", name="Question 2").click()
    choose(page, "share", "a")
    saved(page)
    fits_a_phone(page)
    page.get_by_role("button", name="Receipts").click()
    expect(page.get_by_role("row")).to_have_count(2)
    fits_a_phone(page)


def test_the_lab_has_a_course_where_the_server_has_one_and_exported_pages_never(
    page: Page, room: Classroom, lab: str, browser: Browser, tmp_path: Path
):
    page.goto(f"{lab}?view=course")
    expect(page.get_by_text("There is no course here.")).to_be_visible()
    expect(page.get_by_role("navigation", name="Rooms").get_by_role("link", name="Course")).to_have_count(0)
    room.enter(page, room.student(), "method=saliency")
    expect(page.get_by_role("navigation", name="Rooms").get_by_role("link", name="Course")).to_be_visible()
    expect(page.get_by_role("article").first).to_have_attribute("data-phase", "done")
    with unplugged(browser, exported(page, "HTML", tmp_path)) as copy:
        expect(copy.get_by_role("article").first).to_have_attribute("data-phase", "done")
        expect(copy.get_by_role("navigation", name="Rooms").get_by_role("link")).to_have_count(6)


def test_a_server_that_is_killed_costs_nothing(room: Classroom, device: Callable[[], BrowserContext]):
    """The last, for the next server would have to load the network again."""
    stays, goes, context = room.student(), room.student(), device()
    open_page, page = device().new_page(), context.new_page()
    room.enter(open_page, stays)
    room.enter(page, goes)
    for one in (open_page, page):
        choose(one, "share", "a")
        saved(one)
    room.kill()
    choose(open_page, "share", "b")
    expect(waiting(open_page, 1).first).to_be_visible()
    choose(page, "share", "b")
    expect(waiting(page, 1).first).to_be_visible()
    page.get_by_role("button", name="Question 4").click()
    choose(page, "order", "d")
    expect(waiting(page, 2).first).to_be_visible()
    expect(listed(page, "share")).to_have_accessible_name("Question 2, waiting, 0.3 points")
    choose(page, "order", "a")  # only the newest choice of a question is sent
    page.close()
    room.start()
    open_page.evaluate("dispatchEvent(new Event('online'))")  # or the next try, if that is sooner
    saved(open_page)
    assert room.answers(stays) == {"share": ["a", "b"]}
    assert room.answers(goes) == {"share": ["a"]}
    page = context.new_page()
    page.goto(f"{room.address}?view=words")  # the next visit, wherever it begins
    page.get_by_role("link", name="Course").click()
    expect(page.get_by_text("2 of 4 answered")).to_be_visible()
    expect(page.get_by_text("all changes saved")).to_be_visible()
    assert room.answers(goes) == {"share": ["a", "b"], "order": ["a", "d"]}
    assert len(room.course.history(goes.id)) == 3

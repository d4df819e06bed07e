"""`pellucid course serve FOLDER`"""

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli.course.opening import FOLDER, opened, url_flag
from pellucid.cli.serving import ANY, LOOPBACK, PORT, bound, serve, shown

if TYPE_CHECKING:
    from pellucid.course.storage import Course

CONNECTIONS = 4000
"""At once: a browser of a large class holds up to six."""


@click.command("serve", params=[url_flag], epilog="Example: pellucid course serve xai --instructor ada --no-browser")
@click.argument("folder", type=FOLDER)
@click.option("--port", "-p", type=click.IntRange(0, 65535), help=f"[default: {PORT}, or the next that is free]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--public-name", "names", multiple=True, metavar="NAME",
              help="Host name that members reach it under, with its port if that is unusual; also several.")  # fmt: skip
@click.option("--https", is_flag=True, help="Members reach it by HTTPS, which a proxy in front of it speaks.")
@click.option("--token", "with_token", is_flag=True, help="Ask everybody for a token, too, that is printed with the address.")
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open the page in the browser.")
@click.option("--instructor", metavar="LOGIN", help="The first instructor, who is invited by an address that is printed.")
@click.option("--queue", type=click.IntRange(1, 10_000), default=256, show_default=True, help="Jobs of the lab that may wait.")
@click.option("--limit", type=click.FloatRange(1), default=120.0, show_default=True, help="Seconds that a job may run.")
def serve_course(
    folder: Path, url: str | None, port: int | None, host: str, names: tuple[str, ...], https: bool, with_token: bool,
    browser: bool, instructor: str | None, queue: int, limit: float,
) -> None:  # fmt: skip
    """Serve a course with the lab: members log in, answer, and look at the explanations that are asked about.

    Of a folder that was not served before, the newest frozen key is published: what it asks, and what counts as right. The
    course then waits until an instructor opens it, in the page or by `pellucid course open`. Ctrl-C ends it; every answer that
    was acknowledged is kept.
    """
    known = _names(host, names, with_token)
    from pellucid.course.storage import Course
    from pellucid.server import make_app

    _more_files()
    with opened(folder, url, make=True) as course:
        told = [published(course, folder)]
        listening = bound(host, port)
    number = listening.getsockname()[1]
    course = Course.open(folder, url)
    token = secrets.token_urlsafe(24) if with_token else None
    app = make_app(
        store=folder / "lab", queue=queue, seconds=limit, keep=4 * queue, token=token, course=course, names=known, https=https
    )
    address = _address(host, names, https, number)
    query = "?" + ("" if token is None else f"token={token}&") + "view=course"
    if instructor is not None:
        code = _first_instructor(course, instructor)
        told.append(
            f"There is an instructor already; {instructor!r} was not added" if code is None
            else f"Instructor {instructor} joins at {address}{query}&invitation={code}"
        )  # fmt: skip
    if not https and host not in LOOPBACK:
        click.echo(
            "note: passwords are sent in the clear; have a proxy speak HTTPS in front of this, and add --https", err=True
        )
    serve(
        app, listening, connections=CONNECTIONS, close=course.close, browser=address + query if browser else None,
        opened="\n".join([*told, f"The course is served at {address}{query}", "Ctrl-C ends it; answers are kept"]),
        closed="The course is no longer served; answers are kept",
    )  # fmt: skip


def _names(host: str, names: tuple[str, ...], with_token: bool) -> tuple[str, ...]:
    """The names that are answered to, beside the local ones. UsageError where nobody could say which those are."""
    for name in names:
        if "/" in name or not name.strip():
            raise click.UsageError(f"--public-name {name!r} is no host name; give it as in --public-name exam.example.edu")
    if host in ANY and not names and not with_token:
        raise click.UsageError(
            f"say under which name members reach {host}: --public-name exam.example.edu; or have everybody asked for a --token"
        )
    return names if host in LOOPBACK or host in ANY else (*names, shown(host))


def _address(host: str, names: tuple[str, ...], https: bool, port: int) -> str:
    """Where members find it."""
    if not names:
        return f"http://{shown(host)}:{port}/"
    if https:
        return f"https://{names[0]}/"
    return f"http://{names[0]}/" if ":" in names[0] or port == 80 else f"http://{names[0]}:{port}/"


def published(course: "Course", folder: Path, *, standing: bool = True) -> str:
    """What is served, and under which key; published now where nothing is, or nobody has seen it yet. Of what is published
    now no more than the file without `standing`."""
    from pellucid.course.storage import Conflict

    state = course.state()
    newest, document = _newest_frozen(folder / "keys")
    if state.assignment_hash is None and document is None:
        raise click.UsageError(
            f"nothing in {folder / 'keys'} is frozen, so there is nothing to serve: `pellucid course build {folder}`, then "
            f"`pellucid course freeze {folder}`"
        )
    if document is None:
        return _standing(course)
    known = {version.hash for version in course.versions()}
    if document["hash"] in known:
        return _standing(course)
    later = f"{_standing(course)}; {newest} is another one. A key is changed by `pellucid course regrade`"
    if state.assignment_hash is not None and state.state != "draft":
        return later
    try:
        course.publish(document)
    except Conflict:
        return later
    return f"Published {newest}: {_standing(course)}" if standing else f"Published {newest}"


def _standing(course: "Course") -> str:
    state = course.state()
    title = state.title.get("en") or next(iter(state.title.values()), "")
    return f"{title}, {state.tenths / 10:g} points, {state.state}, version {state.key_version} of its key"


def _newest_frozen(keys: Path) -> tuple[Path | None, dict[str, Any] | None]:
    """The newest key document that is frozen, and its file."""
    for path in sorted(keys.glob("[0-9]*.json"), reverse=True):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise click.UsageError(f"{path} cannot be read as a key: {error}") from None
        if isinstance(document, dict) and document.get("state") == "frozen":
            return path, document
    return None, None


def _first_instructor(course: "Course", login: str) -> str | None:
    """The code that invites the first instructor; None where there is one."""
    if any(member.role == "instructor" for member in course.members()):
        return None
    return course.invite(course.add_instructor(login, login, None).id)


def _more_files() -> None:
    """Lets the process hold as many connections as the system allows it."""
    try:
        import resource
    except ImportError:  # Windows, which has no such bound
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))

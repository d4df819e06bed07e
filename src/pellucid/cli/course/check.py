"""`pellucid course check [FOLDER]`"""

from pathlib import Path
from typing import Any

import click

from pellucid.cli.console import json_flag, print_json
from pellucid.cli.course.console import ids, maybe_folder, questions_flag, tell_key, told


@click.command(
    params=[maybe_folder, json_flag, questions_flag], epilog="Example: pellucid course check xai --questions lime-without"
)
@click.option("--recompute", is_flag=True, help="Compute everything anew instead of taking the evidence that is there.")
def check(folder: Path | None, as_json: bool, questions: tuple[str, ...], recompute: bool) -> int:
    """Say of every option shown whether its answer can be relied on: SAFE, AMBIGUOUS or INVALID.

    Without FOLDER, of the course that ships. Evidence that stands beside the source is taken as long as the source, the network
    and the images are what it was computed from. Exit code 1 when an option shown is not SAFE.
    """
    from tempfile import TemporaryDirectory

    from pellucid.course.folder import CourseFolder
    from pellucid.course.key import compute_key

    course = CourseFolder(folder)
    only = ids(questions)
    if recompute:
        with TemporaryDirectory(prefix="pellucid-course-") as scratch, told() as hears:
            document = compute_key(course.spec, course.workshop(hears, Path(scratch)), only=only, told=hears)
    else:
        document = compute_key(course.spec, course.workshop(), known=course.known(), only=only, compute=False)
    missing = [q["id"] for q in document["evidence"]["questions"] if any(not o["runs"] for o in q["options"])]
    if as_json:
        print_json(told_of(document, recompute, missing))
    else:
        tell_key(document)
        versions = sorted({q["versions"]["torch"] for q in document["evidence"]["questions"] if "torch" in q["versions"]})
        click.echo(
            "everything was computed just now" if recompute
            else f"the evidence fits source, networks and images (computed with torch {', '.join(versions)}); "
            "--recompute computes it anew" if not missing
            else f"not computed for this source: {', '.join(missing)}; run `pellucid course build`, or check with --recompute"
        )  # fmt: skip
    safe = all(o["verdict"] == "SAFE" for q in document["evidence"]["questions"] for o in q["options"] if o["shown"])
    return 0 if safe and not missing else 1


def told_of(document: dict[str, Any], recompute: bool, missing: list[str]) -> dict[str, Any]:
    """The verdicts for machines, by question; points as decimal text, which sums exactly."""
    from pellucid.course.review import summary
    from pellucid.course.spec import in_points

    worth = {q["id"]: q for q in document["assignment"]["questions"]}
    about = ("id", "shown", "verdict", "correct", "margin", "sd", "floor", "unit", "value", "threshold", "when", "reasons")
    questions = [
        {
            "id": q["id"], "group": worth[q["id"]]["group"], "points": in_points(worth[q["id"]]["tenths"]),
            "options": [{name: o[name] for name in about if name != "shown"} for o in q["options"] if o["shown"]],
            "candidates": {v: sum(o["verdict"] == v for o in q["options"]) for v in ("SAFE", "AMBIGUOUS", "INVALID")},
            "problems": q["problems"],
        }
        for q in document["evidence"]["questions"]
    ]  # fmt: skip
    found = summary(document)
    return {
        "evidence": "recomputed" if recompute else "incomplete" if missing else "kept", "missing": missing,
        "questions": questions, "points": found["points"], "groups": found["groups"],
        "contradiction": found["contradiction"], "blocking": found["blocking"], "hash": document["hash"],
        "models": document["evidence"]["model"], "images": document["evidence"]["images"],
    }  # fmt: skip

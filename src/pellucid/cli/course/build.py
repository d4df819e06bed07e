"""`pellucid course build FOLDER`"""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from pellucid.cli.course.console import course_folder, ids, questions_flag, tell_key, told


@click.command(params=[course_folder, questions_flag], epilog="Example: pellucid course build xai --images my-photographs")
@click.option("--model", "-m", "models", multiple=True, metavar="[NAME=]MODEL",
              help="Key it on this network instead of the course's that reads the same, or of NAME.")  # fmt: skip
@click.option("--images", "-i", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Key it on these pictures.")
@click.option("--masks", type=click.Path(path_type=Path, exists=True),
              help="Where the subjects are: a folder of pictures that are bright there, or a JSON of polygons.")  # fmt: skip
@click.option("--reason", default="", help="Why a frozen key gets a new version.")
@click.option("--public", type=click.Path(path_type=Path, dir_okay=False),
              help="Also write what students see to this file: no predicate, no key, no explanation, no floor.")  # fmt: skip
def build(
    folder: Path,
    questions: tuple[str, ...],
    models: tuple[str, ...],
    images: Path | None,
    masks: Path | None,
    reason: str,
    public: Path | None,
) -> None:
    """Compute what is missing and write the key of the course in FOLDER, keys/NNNN.json.

    --model, --images and --masks are written into course.yaml, so that everything after speaks of the same. A build that is
    broken off goes on where it was.
    """
    from pellucid.course.folder import CourseFolder
    from pellucid.course.source import Place
    from pellucid.store import write_whole

    course = CourseFolder(folder)
    changes: dict[Place, str] = {}
    for given in models:
        for name, model in named(given, course.spec.models).items():
            changes["models", name] = model
    if images is not None:
        changes["images",] = placed(images, folder)
    if masks is not None:
        changes["masks",] = placed(masks, folder)
    if changes:
        course.edit(changes)
        reason = reason or "keyed on " + ", ".join(changes.values())
    only = ids(questions)
    with told() as hears:
        document = course.build(reason=reason, only=only, told=hears)
    tell_key(document)
    if not only:
        click.echo(f"written: {folder / 'keys'}/{document['key']['version']:04d}.json")
    if public is not None:
        write_whole(public, json.dumps(document["assignment"], ensure_ascii=False, indent=1).encode())
        click.echo(f"written: {public}, what students see")


def placed(path: Path, folder: Path) -> str:
    """A path as the source says it: from its folder on where it is inside, else from the root."""
    whole, root = path.resolve(), folder.resolve()
    return str(whole.relative_to(root)) if whole.is_relative_to(root) else str(whole)


def named(given: str, models: Mapping[str, str]) -> dict[str, str]:
    """Which of the course's models are to be which network: NAME=MODEL, or all those that read what this MODEL reads."""
    from pellucid.course.workshop import course_model, course_name

    name, equals, model = given.partition("=")
    if equals and name in models:
        return {name: course_name(model)}
    from pellucid.models.image import ImageClassifier

    reads_images = isinstance(course_model(given), ImageClassifier)
    alike = [name for name, now in models.items() if isinstance(course_model(now), ImageClassifier) == reads_images]
    if not alike:
        raise click.BadParameter(f"none of the course's models reads what {given!r} reads; write NAME={given}")
    where = absolute(given)
    return dict.fromkeys(alike, where)


def absolute(model: str) -> str:
    """A network's name as it is; the path of a checkpoint or a folder from the root, for the source lies elsewhere."""
    before, colon, path = model.rpartition(":")
    return f"{before}{colon}{Path(path).resolve()}" if Path(path).exists() else model

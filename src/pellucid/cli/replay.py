"""`pellucid replay RECORD...`"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli.console import json_flag, print_json, progress, record_model_flag

if TYPE_CHECKING:
    from pellucid.models.image import ImageClassifier
    from pellucid.models.text import TextEncoder

    _Given = tuple[str, ImageClassifier | TextEncoder] | None
    """The name that a model was given by, and the model."""

_store = click.Option(
    ["--store"], type=click.Path(path_type=Path), default=Path("pellucid-out/lab"), show_default=True,
    help="The lab's folder, whose corpora a view of a search is asked of again.",
)  # fmt: skip


@click.command(
    params=[record_model_flag, _store, json_flag],
    epilog="Example: pellucid replay pellucid-out/other_coffee_cup.smoothgrad.safetensors",
)
@click.argument("records", nargs=-1, required=True, type=click.Path(path_type=Path))
def replay(records: tuple[Path, ...], model: str | None, store: Path, as_json: bool) -> int:
    """Run each RECORD again and say whether it comes out the same.

    A record is what `pellucid explain` writes or the lab exports: a JSON file where it is of texts. Exit code 0 when every
    record was reproduced (bit by bit, or up to rounding), 1 otherwise.
    """
    results, failed = [], 0
    given = _given(model)
    with progress(float(len(records)), "replaying") as advance:
        for number, path in enumerate(records):
            advance(float(number), f"replaying {path.name}")
            try:
                found = _of_texts(path, store, given) if _is_view(path) else _of_pictures(path, given)
            except (ValueError, LookupError, OSError) as error:
                failed += 1
                results.append({"record": str(path), "error": str(error)})
                if not as_json:
                    click.echo(f"Error: {path}: {error}", err=True)
                continue
            failed += not found.pop("reproduced")
            results.append({"record": str(path), **found})
            if not as_json:
                click.echo(f"{path}: {found['verdict']}")
                for note in found["notes"]:
                    click.echo(f"  {note}")
    if as_json:
        print_json({"results": results})
    return 1 if failed else 0


def _given(name: str | None) -> "_Given":
    if name is None:
        return None
    from pellucid.models.load import load

    return name, load(name)


def _is_view(path: Path) -> bool:
    if not path.is_file():
        return False  # whoever reads a record says what is the matter
    with path.open("rb") as file:
        return file.read(1) == b"{"


def _of_pictures(path: Path, given: "_Given") -> dict[str, Any]:
    from pellucid.attribution import read_header
    from pellucid.models.load import as_classifier
    from pellucid.replay import replay as run_again
    from pellucid.store import Record

    read_header(path)  # of what is no record that is the matter, whatever the model
    again = run_again(path, as_classifier(given[1], given[0]) if given else None)
    asked = again.record.request.model_dump(mode="json") if isinstance(again.record, Record) else None
    return {
        "verdict": again.verdict, "identical": again.identical, "difference": again.difference, "notes": list(again.notes),
        "request": asked, "reproduced": again.reproduced,
    }  # fmt: skip


def _of_texts(path: Path, store: Path, given: "_Given") -> dict[str, Any]:
    from pellucid import __version__
    from pellucid.models.load import as_encoder
    from pellucid.server.views import ask_again, read_view

    view = read_view(path.read_bytes())
    again = list(ask_again(view, store, as_encoder(given[1], given[0]) if given else None))
    worst = max(again, key=lambda one: (not one.identical, one.difference))
    notes = [*dict.fromkeys(note for one in again for note in one.notes)]
    notes += [] if view.pellucid == __version__ else [f"pellucid was {view.pellucid}, is {__version__}"]
    return {
        "verdict": worst.verdict, "identical": worst.identical, "difference": worst.difference, "notes": notes,
        "questions": [{"path": one.path, "verdict": one.verdict} for one in again], "reproduced": worst.reproduced,
    }  # fmt: skip

"""`pellucid train food11 FOLDER`"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pellucid.cli.console import json_flag, print_json

if TYPE_CHECKING:
    from pellucid.inputs.food11 import Skipped
    from pellucid.train.progress import Epoch, Progress, Result, Score


@click.group(epilog="Example: pellucid train food11 food-11/ --architecture food11-head")
def train() -> None:
    """Train a classifier on a folder of your own photographs."""


@train.command(params=[json_flag], epilog="Example: pellucid train food11 food-11/ --architecture food11-head --out my-head")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--architecture", "-a", type=click.Choice(["food11-cnn", "food11-head"]),
    help="The course's network, from nothing; or a last layer on imagenet's features, which needs minutes, not days, on a CPU. "
    "[default: food11-cnn]",
)  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), help="Times every photograph is seen. [default: 60; head: 40]")
@click.option("--batch", type=click.IntRange(1), help="Photographs a step. [default: 32; head: 64]")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Highest learning rate. [default: 5e-4; head: 2e-3]")
@click.option("--smoothing", type=click.FloatRange(0, 1, max_open=True), help="Label smoothing. [default: 0]")
@click.option("--seed", type=click.IntRange(0), help="Makes the run repeatable. [default: 0]")
@click.option("--device", default="cpu", show_default=True, help="Where torch computes, such as cuda.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the checkpoints. [default: the architecture's name]")
@click.option("--resume", is_flag=True, help="Go on with the run in --out, with the options it was started with.")
def food11(
    folder: Path, architecture: str | None, device: str, out: Path | None, resume: bool, as_json: bool,
    **changed: float | int | None,
) -> int:  # fmt: skip
    """Train on FOLDER, the Food-11 photographs named <label>_<number>.jpg, flat or in training, validation and evaluation.

    Writes checkpoint.pth (the best weights so far, for --model ARCHITECTURE:PATH) and last.pth (to resume from) after every
    epoch. Exit code 0; 1 when some files were skipped or the run broke off; 2 when it could not begin.
    """
    from pellucid.train.food11 import recipe_for, train_food11
    from pellucid.train.loop import recipe_of

    out = out or Path(architecture or "food11-cnn")
    recipe = recipe_of(out) if resume else recipe_for(architecture or "food11-cnn")
    given = {"architecture": architecture, **changed}
    recipe = replace(recipe, **{name: value for name, value in given.items() if value is not None})
    result: Result | None = None
    begun = False
    with _shown(recipe.epochs) as show:
        try:
            for progress in train_food11(folder, out, recipe, resume=resume, device=device):
                begun = begun or progress.stage == "training"
                show(progress)
                if progress.report is not None and not as_json:
                    click.echo(_line(progress.report, recipe.epochs))
                result = progress.result
        except (FloatingPointError, OSError) as error:
            if not begun:
                raise click.UsageError(str(error)) from None
            click.echo(f"Error: {error}", err=True)
            return 1
        except KeyboardInterrupt:
            if begun:
                click.echo(f"stopped; the epochs that were finished are in {out}: go on with --resume", err=True)
            raise click.Abort from None
    assert result is not None
    _report(result, recipe.architecture, as_json)
    return 1 if result.skipped else 0


def _line(epoch: "Epoch", epochs: int) -> str:
    score = epoch.validation
    return (
        f"epoch {epoch.number:3d} of {epochs}   training loss {epoch.training_loss:.3f}   "
        f"validation loss {score.loss:.3f}   right {score.accuracy:.1%}"
    )


def _report(result: "Result", architecture: str, as_json: bool) -> None:
    from pellucid.inputs.food11 import CATEGORIES

    def described(score: "Score | None") -> dict[str, Any] | None:
        return score and {"loss": score.loss, "accuracy": score.accuracy, "by_class": score.by_class(CATEGORIES)}

    if as_json:
        return print_json(
            {
                "checkpoint": str(result.checkpoint),
                "architecture": architecture,
                "best": {"epoch": result.best.number, "validation": described(result.best.validation)},
                "evaluation": described(result.evaluation),
                "history": [epoch.plain() for epoch in result.history],
                "skipped": [{"file": str(one.path), "reason": one.reason} for one in result.skipped],
                "absent": list(result.absent),
            }
        )
    score, on = (result.evaluation, "evaluation") if result.evaluation else (result.best.validation, "validation")
    click.echo(f"\nbest epoch {result.best.number}: {score.accuracy:.1%} of {sum(score.count)} {on} photographs right")
    for name, right, count in zip(CATEGORIES, score.right, score.count, strict=True):
        click.echo(f"  {name:<16}" + (f"{right:5d} of {count:<5d}{right / count:6.1%}" if count else "    no photograph"))
    _warn(result.skipped, result.absent)
    click.echo(f"{result.checkpoint}: use it as --model {architecture}:{result.checkpoint}")


def _warn(skipped: "tuple[Skipped, ...]", absent: tuple[str, ...]) -> None:
    if skipped:
        click.echo(f"{len(skipped)} {'file was' if len(skipped) == 1 else 'files were'} skipped:", err=True)
    for one in skipped[:20]:
        click.echo(f"  {one.path}: {one.reason}", err=True)
    if len(skipped) > 20:
        click.echo(f"  and {len(skipped) - 20} more; --json names them all", err=True)
    if absent:
        click.echo(f"no training photograph, so never learnt: {', '.join(absent)}", err=True)


@contextmanager
def _shown(epochs: int) -> "Iterator[Any]":
    """A bar on standard error for the stage under way; nothing when nobody looks."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn())
    # subtle: rich would send standard output to its own console, also when that goes to a file
    both = sys.stdout.isatty()
    with Bar(*columns, console=Console(stderr=True), transient=True, redirect_stdout=both) as bar:
        task = bar.add_task("")
        stage = ""

        def show(progress: "Progress") -> None:
            nonlocal stage
            if progress.stage in ("epoch", "done"):
                return
            where = f"epoch {progress.epoch} of {epochs}: " if progress.epoch else ""
            loss = f", loss {progress.loss:.3f}" if progress.loss is not None else ""
            if stage != (stage := f"{where}{progress.stage}"):
                bar.reset(task)
            bar.update(task, completed=progress.done, total=progress.total, description=f"{stage}{loss}")

        yield show

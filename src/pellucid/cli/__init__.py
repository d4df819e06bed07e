"""The shell command. Nothing heavy is imported before a command needs it, so that `pellucid --help` answers at once."""

import gc
import importlib
import os
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import click

COMMANDS = {
    "explain": ("pellucid.cli.explain:explain", "Explain pictures by a method: a picture and a record of each."),
    "batch": ("pellucid.cli.batch:batch", "Explain many pictures by several methods: a table of maps."),
    "filters": ("pellucid.cli.filters:filters", "Show what a layer's filters respond to most."),
    "lab": ("pellucid.cli.lab:lab", "Look at explanations in the browser."),
    "report": ("pellucid.cli.report:report", "Explain pictures by all five approaches, as one HTML file."),
    "attention": ("pellucid.cli.attention:attention", "Show what each token of a text attends to, head by head."),
    "layers": ("pellucid.cli.layers:layers", "Show a question and its context moving through the layers."),
    "compare": ("pellucid.cli.compare:compare", "Compare one word's vectors across sentences and layers."),
    "corpus": ("pellucid.cli.corpus:corpus", "Build an index of a text, and search it by what a token means."),
    "token-scores": ("pellucid.cli.token_scores:token_scores", "Show which tokens of a text speak for the answer."),
    "answer": ("pellucid.cli.answer:answer", "Answer a question from a passage, or say that it does not."),
    "fill-mask": ("pellucid.cli.answer:fill_mask", "Predict the words that [MASK] hides."),
    "measure": ("pellucid.cli.measure:measure", "Measure recorded explanations, and say how far to trust them."),
    "benchmark": ("pellucid.cli.benchmark:benchmark", "Grade methods on planted causes and on photographs."),
    "replay": ("pellucid.cli.replay:replay", "Run a record again and say whether it comes out the same."),
    "models": ("pellucid.cli.listing:models", "List the models, or show one's card and layers."),
    "methods": ("pellucid.cli.listing:methods", "List the methods, or show one's options and presets."),
    "metrics": ("pellucid.cli.listing:metrics", "List the metrics, or show one's options."),
    "doctor": ("pellucid.cli.doctor:doctor", "Say what of this machine slows Pellucid down, and what to set."),
    "train": ("pellucid.cli.train:train", "Train a classifier on a folder of your own photographs."),
    "course": ("pellucid.cli.course:course", "Make and run a course whose questions are keyed by explanations."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run, and whose help needs none of them."""

    def __init__(self, *args: Any, entries: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        """`entries`: by a command's name, where it is (`module:attribute`) and its line in the help."""
        super().__init__(*args, **kwargs)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.entries:
            return None
        module, attribute = self.entries[cmd_name][0].split(":")
        return getattr(importlib.import_module(module), attribute)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.entries and not args[0].startswith("-"):
            from pellucid.registry import unknown

            ctx.fail(unknown("command", args[0], self.entries))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in self.entries.items()])


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: pellucid explain lime observation:0   (a shipped photograph; a file or a folder does as well)",
)
@click.version_option(package_name="pellucid", prog_name="pellucid")
def group() -> None:
    """Why an image classifier or a text encoder answered as it did, and how far that explanation can be trusted."""


inherited: dict[str, str] = {}
"""The environment that the command was started with, before it set anything for itself."""

noted: set[str] = set()
"""What was said already, since a text may be read several times."""

usual: list[tuple[int, int, int]] = []
"""How often Python looked for objects to free before it was spared that, while it is."""


def main() -> None:
    """The entry point: `group` with the exit codes 0 (well), 1 (some inputs failed), 2 (usage), 130 (interrupted)."""
    inherited.clear()
    noted.clear()
    inherited.update(os.environ)
    # subtle: before torch is imported. Threads that spin while waiting make a pass up to 50 times slower beside a busy process
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    keep_freed_memory()
    spare_old_objects()
    warnings.showwarning = _note
    try:
        sys.exit(group(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        click.echo("interrupted; what was finished has been kept", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        sys.exit(0)
    except (ValueError, KeyError, IndexError, TypeError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


def keep_freed_memory() -> None:
    """Have glibc keep large freed blocks: given back to the kernel, each activation would be faulted in again page by page."""
    if sys.platform != "linux":
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        trim_threshold, mmap_threshold = -1, -3  # malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, 1 << 30)


def spare_old_objects() -> None:
    """Until `look_as_usual`, have Python look for old objects to free a hundredth as often: in what is imported it finds none.

    That search takes a sixth of the start of a command on text. Whatever has just been made is looked at as often as before.
    """
    usual[:] = [gc.get_threshold()]
    gc.set_threshold(*usual[0][:2], 1000)


def look_as_usual() -> None:
    """When the work itself begins, whose figures and graphs hold much and are old soon."""
    if usual:
        gc.set_threshold(*usual.pop())


def _note(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if str(message) not in noted:
        noted.add(str(message))
        click.echo(f"note: {message}", err=True)

"""`pellucid course COMMAND`: make a course, key it, and run it for a class."""

import click

from pellucid.cli import LazyGroup

COMMANDS = {
    "new": ("pellucid.cli.course.new:new", "Copy the course that ships into a folder, to edit."),
    "check": ("pellucid.cli.course.check:check", "Say of every option shown whether its answer can be relied on."),
    "build": ("pellucid.cli.course.build:build", "Compute the key of a course; also on your own network and pictures."),
    "freeze": ("pellucid.cli.course.freeze:freeze", "Fix the key under your name; from then on it never changes."),
    "drift": ("pellucid.cli.course.drift:drift", "Compute again, and say where the frozen key would differ."),
    "serve": ("pellucid.cli.course.serve:serve_course", "Serve a course with the lab, for members who log in."),
}


@click.group(cls=LazyGroup, entries=COMMANDS, epilog="Example: pellucid course new xai && pellucid course check xai")
def course() -> None:
    """Make and run a course: questions about explanations, whose answers are computed from the explanations themselves."""

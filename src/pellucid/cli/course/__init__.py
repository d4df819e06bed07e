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
    "instructor": ("pellucid.cli.course.instructor:instructor", "Add an instructor, or set a password anew."),
    "roster": ("pellucid.cli.course.roster:roster", "Import the class list, and invite the students."),
    "open": ("pellucid.cli.course.state:open_course", "Let students answer."),
    "close": ("pellucid.cli.course.state:close_course", "Take no more answers."),
    "status": ("pellucid.cli.course.state:status", "Say whether it is open, and how many have answered."),
    "regrade": ("pellucid.cli.course.regrade:regrade", "Change what counts as right, and grade again."),
    "items": ("pellucid.cli.course.items:items", "Say how the questions did."),
    "export": ("pellucid.cli.course.export:export", "Write the grades for Gradescope, Canvas or as JSON."),
    "backup": ("pellucid.cli.course.backup:backup", "Write the course into one file while it goes on."),
    "restore": ("pellucid.cli.course.backup:restore", "Put a backup into an empty database."),
    "notebooks": ("pellucid.cli.course.notebooks:notebooks", "Write the two notebooks that students work in."),
}


@click.group(cls=LazyGroup, entries=COMMANDS, epilog="Example: pellucid course new xai && pellucid course check xai")
def course() -> None:
    """Make and run a course: questions about explanations, whose answers are computed from the explanations themselves."""

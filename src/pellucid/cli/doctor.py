"""`pellucid doctor`"""

from dataclasses import asdict

import click

from pellucid.cli.console import json_flag, print_json, print_table

MARKS = {"good": "ok", "note": "note", "bad": "BAD"}


@click.command(params=[json_flag], epilog="Example: pellucid doctor --quick")
@click.option("--quick", is_flag=True, help="Do not time the network.")
def doctor(quick: bool, as_json: bool) -> int:
    """Say what of this machine makes Pellucid slow or keeps it from working, and what to set. Nothing is changed.

    Commands of Pellucid set what they need for themselves; the advice is for processes of your own that import it. Exit code 1
    when something is bad.
    """
    from pellucid.cli import inherited
    from pellucid.doctor import doctor as examine
    from pellucid.doctor import pass_seconds

    findings = examine(inherited)
    times = {} if quick or any(f.state == "bad" and f.what.startswith("efficientnet") for f in findings) else pass_seconds()
    bad = any(f.state == "bad" for f in findings)
    if as_json:
        print_json({"findings": [asdict(f) for f in findings], "seconds": times})
        return int(bad)
    print_table(("", "WHAT", "FOUND"), [(MARKS[f.state], f.what, f.found) for f in findings])
    for name, seconds in times.items():
        click.echo(f"{name} of the shipped CNN, one image: {seconds * 1e3:.0f} ms")
    for f in findings:
        if f.advice:
            click.echo(f"{f.what}: {f.advice}")
    return int(bad)

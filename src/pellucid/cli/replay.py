"""`pellucid replay RECORD...`"""

from pathlib import Path

import click

from pellucid.cli.console import json_flag, print_json, progress


@click.command(params=[json_flag], epilog="Example: pellucid replay pellucid-out/other_coffee_cup.smoothgrad.safetensors")
@click.argument("records", nargs=-1, required=True, type=click.Path(path_type=Path))
def replay(records: tuple[Path, ...], as_json: bool) -> int:
    """Run each RECORD again and say whether it comes out the same.

    Exit code 0 when every record was reproduced (bit by bit, or up to rounding), 1 otherwise.
    """
    from pellucid.replay import replay as run_again

    results, failed = [], 0
    with progress(float(len(records)), "replaying") as advance:
        for number, path in enumerate(records):
            advance(float(number), f"replaying {path.name}")
            try:
                again = run_again(path)
            except (ValueError, KeyError, OSError) as error:
                failed += 1
                results.append({"record": str(path), "error": str(error)})
                if not as_json:
                    click.echo(f"{path}: {error}", err=True)
                continue
            failed += again.difference >= 1e-4
            results.append(
                {
                    "record": str(path),
                    "verdict": again.verdict,
                    "identical": again.identical,
                    "difference": again.difference,
                    "notes": list(again.notes),
                    "request": again.record.request.model_dump(mode="json"),
                }
            )
            if not as_json:
                click.echo(f"{path}: {again.verdict}")
                for note in again.notes:
                    click.echo(f"  {note}")
    if as_json:
        print_json({"results": results})
    return 1 if failed else 0

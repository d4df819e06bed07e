"""`pellucid measure METRIC RECORD...`: one command a metric, its flags made from its signature; and `measure trust`."""

from collections.abc import Callable
from math import inf
from pathlib import Path
from shlex import quote
from typing import Any

import click

from pellucid.cli.console import json_flag, print_json, print_table, progress, record_model_flag
from pellucid.cli.flags import above_zero, flags, given

TRUST = "trust"


class MetricCommands(click.Group):
    """The registered metrics as commands, and `trust`, the evidence that every map has."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from pellucid.metrics import metrics

        return [TRUST, *metrics]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from pellucid.metrics import metrics

        if cmd_name == TRUST:
            return trust
        return metric_command(metrics[cmd_name]) if cmd_name in metrics else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        from pellucid.metrics import metrics
        from pellucid.registry import unknown

        if args and not args[0].startswith("-") and args[0] not in (TRUST, *metrics):
            ctx.fail(unknown("metric", args[0], (TRUST, *metrics)))
        return super().resolve_command(ctx, args)


@click.group(cls=MetricCommands, epilog="Example: pellucid measure deletion pellucid-out/cat.lime.safetensors --steps 50")
def measure() -> None:
    """Measure recorded explanations by METRIC, or gather the evidence on them: trust. `pellucid explain` writes records."""


_records = click.Argument(["records"], nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RECORD...")


def metric_command(metric: Any) -> click.Command:
    """The command of one metric: its own options, and those that every metric has."""
    common: list[click.Parameter] = [
        _records,
        record_model_flag,
        click.Option(["--tolerance"], type=above_zero, help="Stop as soon as no interval reaches further than this."),
        click.Option(["--deadline"], type=above_zero, help="Stop after this many seconds a record."),
        json_flag,
    ]
    return click.Command(
        metric.name,
        params=[*common, *flags(metric.options)],
        callback=lambda **values: run(metric, **values),
        help=metric.__doc__,
        short_help=(metric.__doc__ or "").strip().splitlines()[0],
        epilog=f"Example: pellucid measure {metric.name} pellucid-out/cat.smoothgrad.safetensors",
    )


def run(
    metric: Any, *, records: tuple[Path, ...], model: str | None, tolerance: float | None, deadline: float | None,
    as_json: bool, **values: Any,
) -> int:  # fmt: skip
    """Measure every record; one that fails is reported and the rest go on. Exit code 1 when some failed."""
    from pellucid.explain import measure as measure_now

    options: dict[str, Any] = {**given(values, metric.options)}

    def measured(record: Any, model: Any, advance: Callable[[float], None]) -> Any:
        return measure_now(
            model, record.inputs, record.attribution, metric=metric.name, tolerance=tolerance, deadline=deadline,
            progress=lambda m: advance(m.work.fraction), **options,
        )  # fmt: skip

    done, failed = _each(records, model, metric.name, measured)
    direction = {True: "higher is better", False: "lower is better", None: "neither direction is better"}
    if as_json:
        results = [
            {"record": str(path), "image": name, "method": r.attribution.method, **_numbers(m, n)}
            for path, r, m in done for n, name in enumerate(r.inputs.names)
        ]  # fmt: skip
        about = {"metric": metric.name, "unit": metric.unit, "higher_is_better": metric.higher_is_better}
        print_json(about | {"results": results, "failed": failed})
        return 1 if failed else 0
    rows = [
        (name, r.attribution.method, _shown(m.values[n]), _between(m.low[n], m.high[n]), _chance(m, n))
        for _, r, m in done for n, name in enumerate(r.inputs.names)
    ]  # fmt: skip
    if rows:
        click.echo(f"{metric.name}: {metric.unit}; {direction[metric.higher_is_better]}")
        print_table(("IMAGE", "METHOD", "VALUE", "95 % BETWEEN", "CHANCE"), rows)
        for note, of in _by_note(done).items():
            click.echo(note if len(of) == len(done) else f"{note} ({', '.join(of)})")
    return 1 if failed else 0


@click.command(
    params=[_records, record_model_flag, json_flag], epilog="Example: pellucid measure trust pellucid-out/*.safetensors"
)
@click.option("--budget", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True, help="What it may cost.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Makes it repeatable.")
def trust(records: tuple[Path, ...], model: str | None, budget: float, seed: int, as_json: bool) -> int:
    """How far each explanation can be trusted: evidence of a fixed kind, and its plain verdict.

    The method runs again with another seed and on a network with random weights, and the pixels that it ranks first are removed
    beside others. This costs at most BUDGET times the explanation, or 120 network passes an image where that is more.
    """
    from pellucid.pictures.images import advantage_unit
    from pellucid.trust import trust as trust_now

    def gathered(record: Any, model: Any, advance: Callable[[float], None]) -> Any:
        return trust_now(model, record.inputs, record.attribution, budget=budget, seed=seed, progress=advance)

    done, failed = _each(records, model, TRUST, gathered)
    if as_json:
        results = [
            {
                "record": str(path), "image": name, "method": r.attribution.method,
                "advantage_unit": advantage_unit(r.attribution), **found[n].to_json(),
            }
            for path, r, found in done for n, name in enumerate(r.inputs.names)
        ]  # fmt: skip
        print_json({"results": results, "failed": failed})
        return 1 if failed else 0
    rows = [
        (
            name, r.attribution.method, found[n].verdict, f"{found[n].advantage.value:+.3f} {advantage_unit(r.attribution)}",
            f"{found[n].advantage.low:+.3f} to {found[n].advantage.high:+.3f}", f"{found[n].randomised:.2f}",
            "-" if found[n].seeds is None else f"{found[n].seeds:.2f}",
        )
        for _, r, found in done for n, name in enumerate(r.inputs.names)
    ]  # fmt: skip
    if rows:
        print_table(("IMAGE", "METHOD", "VERDICT", "OVER RANDOM", "95 % BETWEEN", "RANDOMISED", "SEEDS"), rows)
        for verdict in dict.fromkeys(found[n].verdict for _, _, found in done for n in range(len(found))):
            one = next(e for *_, found in done for e in found.evidence if e.verdict == verdict)
            click.echo(f"{verdict}: {one.sentence} {one.advice}")
    return 1 if failed else 0


def _each(
    records: tuple[Path, ...], given: str | None, what: str, work: Callable[[Any, Any, Callable[[float], None]], Any]
) -> tuple[list[tuple[Path, Any, Any]], list[dict[str, str]]]:
    """What `work` says of each record and its network, and which records failed and why."""
    from pellucid.models.load import check_no_code, load_classifier
    from pellucid.store import Record

    done: list[tuple[Path, Any, Any]] = []
    failed: list[dict[str, str]] = []
    models: dict[str, Any] = {given: load_classifier(given)} if given else {}
    with progress(float(len(records)), what) as advance:
        for number, path in enumerate(records):
            advance(float(number), f"{what} {path.name}")
            try:
                record = Record.from_bytes(path)
                name = record.request.model
                name = given or check_no_code(name, f"if it is yours: --model {quote(name)}")
                if name.startswith("sha256:"):
                    raise ValueError(
                        f"{str(path)!r} is of a network made in Python; use pl.measure or pl.trust with that network, "
                        "or --model FILE.py:NAME"
                    )
                models[name] = models.get(name) or load_classifier(name)
                if models[name].fingerprint != record.fingerprint:
                    raise ValueError(
                        f"{str(path)!r} was made with other weights than {name!r} has now; explain the picture again"
                    )
                done.append((path, record, work(record, models[name], lambda f, n=number: advance(n + f, what))))
            except (ValueError, KeyError, OSError) as error:
                failed.append({"record": str(path), "error": str(error)})
                click.echo(f"Error: {path}: {error}", err=True)
    return done, failed


def _by_note(done: list[tuple[Path, Any, Any]]) -> dict[str, list[str]]:
    """Every note of the measurements, and the records that it is on."""
    notes: dict[str, list[str]] = {}
    for path, _, m in done:
        for what, said in m.notes.items():
            notes.setdefault(f"{what}: {said}", []).append(path.name)
    return notes


def _numbers(m: Any, n: int) -> dict[str, Any]:
    found = {"value": float(m.values[n]), "low": float(m.low[n]), "high": float(m.high[n])}
    if m.chance is not None:
        found |= {"chance": float(m.chance[n]), "chance_low": float(m.chance_low[n]), "chance_high": float(m.chance_high[n])}
    return found | {"work": vars(m.work), "options": dict(m.options), "notes": dict(m.notes)}


def _shown(value: Any) -> str:
    return "-" if value != value else f"{float(value):.4g}"


def _between(low: Any, high: Any) -> str:
    return "" if low == high or low != low or low == -inf else f"{float(low):.4g} to {float(high):.4g}"


def _chance(m: Any, n: int) -> str:
    return "" if m.chance is None else f"{float(m.chance[n]):.4g} ({_between(m.chance_low[n], m.chance_high[n])})"

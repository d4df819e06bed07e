"""`pellucid explain METHOD SOURCE...`: one command a method, its flags made from the method's signature."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from pellucid.cli.console import engine_flag, json_flag, model_flag, out_flag, print_json, print_table, progress
from pellucid.cli.flags import above_zero, flags, given
from pellucid.cli.names import own_stem


class MethodCommands(click.Group):
    """The registered methods as commands, made when one is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from pellucid.methods import methods

        return list(methods)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from pellucid.methods import methods

        return method_command(methods[cmd_name]) if cmd_name in methods else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        from pellucid.methods import methods
        from pellucid.registry import unknown

        if args and not args[0].startswith("-") and args[0] not in methods:
            ctx.fail(unknown("method", args[0], methods))
        return super().resolve_command(ctx, args)


@click.group(cls=MethodCommands, epilog="Example: pellucid explain integrated_gradients cat.jpg --tolerance 0.01")
def explain() -> None:
    """Explain pictures by METHOD. `pellucid explain METHOD --help` lists its options."""


def method_command(method: Any) -> click.Command:
    """The command of one method: its own options, and those that every method has."""
    presets = click.Choice(list(method.presets)) if method.presets else None
    evidence = "Say how far each map can be trusted; costs as much again, or 120 network passes where that is more."
    against = "Why the target rather than this class: the difference of the two logits."
    common: list[click.Parameter] = [
        click.Argument(["sources"], nargs=-1, required=True, metavar="SOURCE..."),
        model_flag,
        engine_flag,
        click.Option(["--target", "-t"], help="The class to explain, by label or number.  [default: the predicted class]"),
        click.Option(["--against"], help=against),
        click.Option(["--preset"], type=presets, help="A named set of options."),
        click.Option(["--tolerance"], type=above_zero, help="Stop as soon as the error is this small."),
        click.Option(["--deadline"], type=above_zero, help="Stop after this many seconds an image."),
        click.Option(["--trust/--no-trust"], default=True, show_default=True, help=evidence),
        out_flag,
        click.Option(["--format", "suffix"], type=click.Choice(["png", "svg"]), default="png", show_default=True),
        json_flag,
    ]
    command = click.Command(
        method.name,
        params=[*common, *flags(method.options)],
        callback=lambda **values: run(method, **values),
        help=method.__doc__ and "\n\n".join([method.__doc__.split("\n\n")[0], _sources_help]),
        short_help=(method.__doc__ or "").strip().splitlines()[0],
        epilog=f"Example: pellucid explain {method.name} observation:0 --out maps",
    )
    return command


_sources_help = "A SOURCE is a picture, a folder of pictures, observation:0 to observation:9, or observation for all ten."


def run(
    method: Any,
    *,
    sources: tuple[str, ...],
    model: str,
    engine: str | None,
    target: str | None,
    against: str | None,
    preset: str | None,
    tolerance: float | None,
    deadline: float | None,
    trust: bool,
    out: Path,
    suffix: str,
    as_json: bool,
    **values: Any,
) -> int:
    """Explain every picture; one that fails is reported and the rest go on. Exit code 1 when some failed."""
    from pellucid.inputs.photograph import expand
    from pellucid.models.load import load_classifier
    from pellucid.registry import Unsuited

    classifier = load_classifier(model).on(engine)
    asked = {"target": target, "against": against, "preset": preset, "tolerance": tolerance, "deadline": deadline}
    classes = [classifier.class_index(label) for label in (target, against) if label is not None]
    if len(classes) == 2 and classes[0] == classes[1]:  # a wrong question is wrong for every picture
        raise click.UsageError(
            f"--target and --against are both {target!r}: their difference is 0 everywhere; name two classes"
        )
    pictures = list(expand(sources))
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    with progress(float(len(pictures)), method.name) as advance:
        for number, source in enumerate(pictures):
            advance(float(number), f"{method.name} {Path(source).name}")
            try:
                options = given(values, method.options)
                answer = one(
                    classifier,
                    method,
                    source,
                    asked,
                    options,
                    trust,
                    out,
                    suffix,
                    lambda f, n=number: advance(n + f, method.name),
                )
            except Unsuited as error:  # of every picture alike
                raise click.UsageError(str(error)) from None
            except (ValueError, OSError) as error:
                failed.append({"source": source, "error": str(error)})
                click.echo(f"Error: {error}", err=True)
                continue
            done.append(answer)
            if tolerance is not None and answer["error"] > tolerance:
                click.echo(_not_reached(answer, tolerance, method.budget(), deadline), err=True)
            if answer["without_evidence"]:
                failed.append({"source": source, "error": answer["without_evidence"]})
                click.echo(f"Error: {answer['without_evidence']}", err=True)
    if as_json:
        print_json({"method": method.name, "model": classifier.name, "results": done, "failed": failed})
    elif done:
        rows = [
            (
                a["source"], _question(a), f"{a['probability']:.3f}", f"{a['error']:.2g}", f"{a['seconds']:.1f} s",
                a["verdict"] or ("no evidence" if a["without_evidence"] else "-"), a["picture"],
            )
            for a in done
        ]  # fmt: skip
        print_table(("SOURCE", "TARGET", "PROBABILITY", "ERROR", "TIME", "VERDICT", "PICTURE"), rows)
        told = {a["verdict"]: a["evidence"] for a in done if a["evidence"]}
        for verdict, evidence in told.items():
            click.echo(f"{verdict}: {evidence['sentence']} {evidence['advice']}")
    return 1 if failed else 0


def _not_reached(answer: Mapping[str, Any], tolerance: float, lifted: Iterable[str], deadline: float | None) -> str:
    """A note that the error stayed above the tolerance, and what may lower it."""
    hurried = deadline is not None and answer["work"]["fraction"] < 1
    bounds = {"deadline": deadline} if hurried else {name: answer["options"][name] for name in lifted}
    more = "".join(f"; a higher --{name} than {bound} may lower it" for name, bound in bounds.items())
    error = f"the {answer['error_name']} of {answer['source']} is {answer['error']:.2g}"
    return f"note: {error}, above --tolerance {tolerance:g}{more}"


def _question(answer: Mapping[str, Any]) -> str:
    rather = answer["against_label"]
    return answer["label"] if rather is None else f"{answer['label']} rather than {rather}"


def one(
    classifier: Any,
    method: Any,
    source: str,
    asked: Mapping[str, Any],
    options: Mapping[str, Any],
    trusted: bool,
    out: Path,
    suffix: str,
    advance: Any,
) -> dict[str, Any]:
    """One picture explained, drawn and kept on record, before the evidence and with it; what is printed of it."""
    from pellucid.explain import explain as explain_now
    from pellucid.explain import record
    from pellucid.models.errors import first_line
    from pellucid.pictures.images import draw
    from pellucid.render.figures import save
    from pellucid.store import Record
    from pellucid.trust import trust

    images = classifier.read(source)
    share = 0.5 if trusted else 1.0  # of the work
    start = time.monotonic()
    a = explain_now(
        classifier, images, method=method.name, progress=lambda step: advance(share * step.work.fraction), **asked, **options
    )
    seconds = time.monotonic() - start
    kept = record(classifier, images, a)
    named = Path(source.replace(":", "_")).stem
    stem = own_stem(out, named, method.name, _asked(kept), lambda path: _asked(Record.from_bytes(path)))
    path = kept.write(stem.with_name(stem.name + ".safetensors"))
    picture = stem.with_name(f"{stem.name}.{suffix}")
    save(draw(classifier, images, a), picture)
    evidence, without = None, None
    if trusted:
        try:
            evidence = trust(classifier, images, a, progress=lambda f: advance(share + (1 - share) * f))
        except Exception as error:  # whatever: somebody's network, run with random weights
            without = f"the map of {source} is kept, and there is no evidence on it: {first_line(error)}"
    told = () if evidence is None else (evidence[0].to_json(),)
    if evidence is not None:
        kept = replace(kept, evidence=told)
        kept.write(path)
        save(draw(classifier, images, a, evidence=evidence), picture)
    (index,) = a.target.tolist()
    return {
        "source": source,
        "target": index,
        "label": classifier.labels[index],
        "against": a.against,
        "against_label": None if a.against is None else classifier.labels[a.against],
        "probability": float(classifier.on("torch").values(images.features, a.target, "probability")),
        "error": a.worst_error,
        "error_name": a.error_name,
        "tolerance_reached": None if asked["tolerance"] is None else method.margin * a.worst_error <= asked["tolerance"],
        "unit": a.unit,
        "least": float(a.map().min()),
        "greatest": float(a.map().max()),
        "seconds": round(seconds, 3),
        "work": vars(a.work),
        "options": dict(a.options),
        "notes": dict(a.notes),
        "verdict": None if evidence is None else evidence.verdict,
        "evidence": told[0] if told else None,
        "without_evidence": without,
        "picture": str(picture),
        "record": str(path),
        "key": kept.request.key,
    }


def _asked(record: Any) -> list[Any]:
    """What a record is of: the request, the network's weights, how far its stream went and what ran it."""
    a = record.attribution
    return [record.request.model_dump(mode="json"), record.fingerprint, a.step, a.notes.get("engine")]

"""`pellucid filters LAYER [FILTER...]`"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from pellucid.cli.console import json_flag, model_flag, numbers, out_flag, print_json, print_table, progress, readable
from pellucid.cli.flags import above_zero, flags, given
from pellucid.cli.names import SUFFIX, own_stem


def _command() -> click.Command:
    from pellucid.methods.filters import filters as ascent

    params: list[click.Parameter] = [
        click.Argument(["layer"]),
        click.Argument(["wanted"], nargs=-1, metavar="[FILTER]..."),
        model_flag,
        click.Option(["--on", "sources"], multiple=True, metavar="SOURCE",
                     help="Pictures to show where the filters fire and which patches excite them most; may be given again."),
        click.Option(["--preset"], type=click.Choice(list(ascent.presets)), help="A named set of options."),
        click.Option(["--deadline"], type=above_zero, help="Stop the ascent after this many seconds."),
        out_flag,
        json_flag,
        *flags(ascent.options),
    ]  # fmt: skip
    return click.Command(
        "filters",
        params=params,
        callback=run,
        help="Show what the filters of LAYER respond to most: pictures made by gradient ascent from white noise.\n\n"
        "FILTER is a number or a range such as 0-7, by default the first eight. `pellucid models NAME` lists the layers.",
        epilog="Example: pellucid filters _blocks.5._project_conv 0-7 --on observation",
    )


def run(
    layer: str, wanted: tuple[str, ...], model: str, sources: tuple[str, ...], preset: str | None, deadline: float | None,
    out: Path, as_json: bool, **values: Any,
) -> int:  # fmt: skip
    """Synthesise, draw and keep on record; with pictures, their maps and patches too. Exit code 1 when some failed."""
    from pellucid.methods.filter_image import FilterImage
    from pellucid.methods.filter_maps import strongest_patches
    from pellucid.methods.filters import filters as ascent
    from pellucid.models.layer_maps import filter_layer
    from pellucid.models.load import load_classifier
    from pellucid.pictures.images import draw_filters, draw_patches, draw_where, filter_names
    from pellucid.render.figures import save
    from pellucid.store import write_whole
    from pellucid.stream import bounded, drain

    classifier = load_classifier(model)
    chosen = numbers(wanted, "filter", "FILTER", "0 3-5") or list(range(min(8, filter_layer(classifier, layer).shape[0])))
    options: dict[str, Any] = {**(ascent.preset(preset).options if preset else {}), **given(values, ascent.options)}
    failed: list[dict[str, str]] = []
    images = classifier.read(readable(classifier, sources, failed)) if sources else None
    with progress(1.0, f"filters of {layer}") as advance:
        stream = ascent.stream(classifier, layer, chosen, images if options.get("start") == "images" else None, **options)
        made = drain(bounded(stream, deadline=deadline), lambda step: advance(step.work.fraction, f"filters of {layer}"))
    made = replace(made, view=dict(ascent.preset(preset).view) if preset else {})
    stem = own_stem(
        out, re.sub(r"[^\w.-]", "_", layer), "filters", _asked(made), lambda path: _asked(FilterImage.from_record(path))
    )
    record = write_whole(stem.with_name(stem.name + SUFFIX), made.to_record())
    files = {"filters": stem.with_name(stem.name + ".png")}
    names = filter_names(classifier, layer, made.filters.tolist())
    save(draw_filters(made, names=names), files["filters"])
    if images is not None:
        files |= {"where": stem.with_suffix(".where.png")}
        save(draw_where(classifier, images, layer, chosen), files["where"])
        patches = [p for found in strongest_patches(classifier, images, layer, chosen, 6) for p in found]
        if patches:  # filters may be silent on every picture
            files |= {"patches": stem.with_suffix(".patches.png")}
            save(draw_patches(patches, layer), files["patches"])
    results = [
        {"filter": int(f), "start": s, "before": float(b), "after": float(a), "error": float(e), "dead": bool(d)}
        for f, s, b, a, e, d in zip(
            made.filters, made.starts, made.start_objective, made.final_objective, made.error, made.dead, strict=True
        )
    ]
    if as_json:
        shown = {key: str(path) for key, path in files.items()}
        about = {"layer": layer, "model": classifier.name, "results": results, "pictures": shown, "record": str(record)}
        print_json(about | {"failed": failed})
    else:
        rows = [
            (name.removeprefix("filter "), r["start"], f"{r['before']:.3g}", "silent" if r["dead"] else f"{r['after']:.3g}")
            for name, r in zip(names, results, strict=True)
        ]
        print_table(("FILTER", "START", "ACTIVATION BEFORE", "AFTER"), rows)
        for key, path in files.items():
            click.echo(f"{key}: {path}")
    return 1 if failed else 0


def _asked(made: Any) -> list[Any]:
    """What a record is of: the filters, how their pictures were made and how far, and the network."""
    return [made.layer, made.filters.tolist(), list(made.starts), dict(made.options), made.fingerprint, made.step]


filters = _command()

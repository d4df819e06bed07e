"""`pellucid models`, `pellucid methods` and `pellucid metrics`: what there is, and what one can say to it."""

import inspect
from typing import Any

import click

from pellucid.cli.console import json_flag, print_json, print_table
from pellucid.registry import paper


@click.command(params=[json_flag], epilog="Example: pellucid methods lime")
@click.argument("name", required=False)
def methods(name: str | None, as_json: bool) -> None:
    """List the methods, or show the options and presets of the one called NAME."""
    from pellucid.methods import methods as registry

    if name is None:
        rows = [(key, paper(registry[key])) for key in registry]
        if as_json:
            return print_json({"methods": [_described(registry[key]) for key in registry]})
        return print_table(("METHOD", "WHAT AND WHENCE"), rows)
    method = registry[name]
    described = _described(method)
    if as_json:
        return print_json(described)
    _show_options(method, described)
    for key, preset in described["presets"].items():
        chosen = " ".join(f"--{k.replace('_', '-')} {v}" for k, v in preset["options"].items())
        click.echo(f"\npreset {key}: {preset['description']}\n  {chosen}")


@click.command(params=[json_flag], epilog="Example: pellucid metrics deletion")
@click.argument("name", required=False)
def metrics(name: str | None, as_json: bool) -> None:
    """List the metrics, or show the options of the one called NAME."""
    from pellucid.metrics import metrics as registry

    described = {key: _described(m) | {"unit": m.unit, "higher_is_better": m.higher_is_better} for key, m in registry.items()}
    if name is None:
        if as_json:
            return print_json({"metrics": list(described.values())})
        better = {True: "higher", False: "lower", None: "-"}
        rows = [(key, better[m.higher_is_better], m.unit, paper(m)) for key, m in registry.items()]
        return print_table(("METRIC", "BETTER", "UNIT", "WHAT AND WHENCE"), rows)
    metric = registry[name]
    if as_json:
        return print_json(described[name])
    return _show_options(metric, described[name])


def _show_options(entry: Any, described: dict[str, Any]) -> None:
    click.echo(f"{paper(entry)}\n\n{inspect.getdoc(entry)}\n")
    rows = [
        ("--" + key.replace("_", "-"), values_of(o), str(o["default"]), o["description"])
        for key, o in described["options"].items()
    ]
    print_table(("OPTION", "VALUES", "DEFAULT", "MEANING"), rows) if rows else click.echo("No options.")


def _described(entry: Any) -> dict[str, Any]:
    presets: dict[str, Any] = getattr(entry, "presets", {})
    return {
        "name": entry.name,
        "source": paper(entry),
        "description": inspect.getdoc(entry),
        "options": entry.options.model_json_schema().get("properties", {}),
        "presets": {k: {"options": dict(p.options), "description": p.description} for k, p in presets.items()},
    }


def values_of(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "|".join(map(str, schema["enum"]))
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None and high is None:
        return schema["type"]
    left, right = "(" if "exclusiveMinimum" in schema else "[", ")" if "exclusiveMaximum" in schema else "]"
    return f"{schema['type']} {left}{'' if low is None else f'{low:g}'}, {'' if high is None else f'{high:g}'}{right}"


@click.command(params=[json_flag], epilog="Example: pellucid models imagenet")
@click.argument("name", required=False)
def models(name: str | None, as_json: bool) -> None:
    """List the models and architectures, or show the card and the layers of the model called NAME."""
    from pellucid.models.load import catalog

    if name is None:
        entries = catalog()
        if as_json:
            return print_json(entries)
        print_table(("MODEL", "WHAT IT IS"), [(k, v["description"]) for k, v in entries["models"].items()])
        click.echo()
        print_table(("ENCODER", "WHAT IT IS"), [(k, v["description"]) for k, v in entries["encoders"].items()])
        click.echo(
            "\nYour own: a folder as transformers saves it, hf:ORG/NAME, FILE.py:NAME (a Python file, and what in it makes the "
            "model),\nor a checkpoint of one of these architectures (--model ARCHITECTURE:PATH):\n"
        )
        return print_table(("ARCHITECTURE", "WHAT IT IS"), [(k, v["description"]) for k, v in entries["architectures"].items()])
    from pellucid.models.image import ImageClassifier
    from pellucid.models.load import load

    model = load(name)
    if not isinstance(model, ImageClassifier):
        return _show_encoder(model, as_json)
    if as_json:
        layers = [vars(layer) for layer in model.layers]
        return print_json({"name": model.name, "fingerprint": model.fingerprint, "labels": model.labels, "layers": layers})
    if name in catalog()["models"]:
        from pellucid.models.cards import card

        click.echo(card(name))
    height, width = model.size
    click.echo(f"{model.called}: {len(model.labels)} classes, reads {height} x {width} px, weights {model.fingerprint[:12]}\n")
    rows = [(x.name, x.kind, " x ".join(map(str, x.shape)), f"{x.calls} times" if x.calls > 1 else "") for x in model.layers]
    return print_table(("LAYER", "KIND", "OUTPUT OF ONE IMAGE", ""), rows)


def _show_encoder(enc: Any, as_json: bool) -> None:
    from pellucid.models.cards import card
    from pellucid.models.load import catalog

    about = {
        "name": enc.name,
        "kind": enc.config.model_type,
        "layers": enc.layers,
        "heads": enc.heads,
        "hidden_size": enc.hidden_size,
        "limit": enc.limit,
        "vocabulary": int(enc.config.vocab_size),
        "answers_questions": enc.answers_questions,
        "fills_masks": enc.fills_masks,
        "fingerprint": enc.fingerprint,
    }
    if as_json:
        return print_json(about)
    if enc.name in catalog()["encoders"]:
        click.echo(card(enc.name))
    return print_table(("WHAT", "VALUE"), [(key.replace("_", " "), str(value)) for key, value in about.items()])

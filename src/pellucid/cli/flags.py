"""Flags from declared options: what a signature says of an option is all that its flag knows."""

from collections.abc import Mapping
from typing import Any

import click
from pydantic import BaseModel

from pellucid.registry import OptionValue

above_zero = click.FloatRange(min=0, min_open=True)


def flags(options: type[BaseModel]) -> list[click.Parameter]:
    """One flag an option. A flag that is not given stays out of the call, so that presets and lifted bounds can tell."""
    return [_flag(name, schema) for name, schema in options.model_json_schema().get("properties", {}).items()]


def given(values: Mapping[str, Any], options: type[BaseModel]) -> dict[str, OptionValue]:
    """The options among a command's values that were really given."""
    return {name: values[name] for name in options.model_fields if values.get(name) is not None}


def _flag(name: str, schema: Mapping[str, Any]) -> click.Option:
    flag = "--" + name.replace("_", "-")
    default = schema["default"]
    shown = {True: "yes", False: "no", "": "none"}.get(default, default) if isinstance(default, bool | str) else default
    text = f"{schema['description']}  [default: {shown}]"
    if schema["type"] == "boolean":
        return click.Option([f"{flag}/--no-{flag[2:]}", name], default=None, help=text)
    return click.Option([flag, name], type=_type(schema), default=None, help=text)


def _type(schema: Mapping[str, Any]) -> click.ParamType[Any]:
    if "enum" in schema:
        return click.Choice(schema["enum"])
    if schema["type"] not in ("integer", "number"):
        return click.STRING
    kind = click.IntRange if schema["type"] == "integer" else click.FloatRange
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum", schema.get("exclusiveMaximum"))
    return kind(low, high, min_open="exclusiveMinimum" in schema, max_open="exclusiveMaximum" in schema)

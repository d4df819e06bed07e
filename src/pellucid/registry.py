"""Named functions whose keyword-only parameters are their options.

A signature declares each option once. From it come the validation of every call, the flags of the shell command, the form in
the browser and the reference page: all of them read `options_of(function).model_json_schema()`.
"""

import difflib
import importlib
import inspect
import pkgutil
import re
import reprlib
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

Entry = TypeVar("Entry")
OptionValue = bool | int | float | str


class UnknownName(KeyError):
    """A name that is not registered; its text says which are."""

    def __str__(self) -> str:  # subtle: KeyError would show the quoted repr of its argument
        return str(self.args[0])


class Unsuited(ValueError):
    """Options that do not suit the network, whichever picture it is asked about."""


class Contradiction(Unsuited):
    """Options that do not go together, whatever they are asked about."""


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """What was asked for, the nearest names, and all of them when they are few. A name that has the word in it is nearer than
    one that is spelled alike."""
    known = list(known)
    word = re.compile(rf"\b{re.escape(str(name).strip())}\b", re.IGNORECASE)
    holding = [k for k in known if word.search(k)][:5] if str(name).strip() else []
    near = holding or _alike(str(name), known, 0.5)
    hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    listed = f"; known: {', '.join(known)}" if len(known) <= 40 else ""
    if not hint and not listed:
        listed = f"; nearest of {len(known):,}: {', '.join(_alike(str(name), known, 0.0))}"
    return f"no {kind} named {name!r}{hint}{listed}"


def _alike(name: str, known: list[str], cutoff: float) -> list[str]:
    """The three names that are spelled most like it."""
    near = difflib.get_close_matches(name.lower(), [k.lower() for k in known], n=3, cutoff=cutoff)
    return list(dict.fromkeys(k for n in near for k in known if k.lower() == n))[:3]


class Registry(Mapping[str, Entry], Generic[Entry]):
    """The entries of one kind by name. The package's own files are imported at the first look, not before."""

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, Entry] = {}
        self._complete = False

    def add(self, name: str, entry: Entry) -> Entry:
        if name in self._entries:
            raise ValueError(f"there is already a {self.kind} named {name!r}; choose another name")
        self._entries[name] = entry
        return entry

    def _load(self) -> dict[str, Entry]:
        if not self._complete:
            self._complete = True
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self._package}.{module.name}")
        return self._entries

    def __getitem__(self, name: str) -> Entry:
        entries = self._load()
        if not isinstance(name, str):
            given = f"a {self.kind} is given by its name, not as a {type(name).__name__}"
            raise UnknownName(f"{given}; known: {', '.join(sorted(entries))}")
        if name not in entries:
            raise UnknownName(unknown(self.kind, name, sorted(entries)))
        return entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._load()))

    def __len__(self) -> int:
        return len(self._load())


def paper(entry: Any) -> str:
    """The first line of a method's or a metric's file: what it computes, and the paper."""
    return (inspect.getdoc(inspect.getmodule(entry.__wrapped__)) or "").partition("\n")[0]


def options_of(function: Callable[..., object]) -> type[BaseModel]:
    """A frozen pydantic model of the function's keyword-only parameters.

    Raises TypeError for a parameter that no flag and no form could show: an option is an int, float, bool, str or a Literal of
    two or more, has a default, and says in `Field(description=...)` what it does.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        annotation = hints[parameter.name]
        where = f"option {parameter.name!r} of {function.__name__}"
        kind = typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation
        if kind not in (int, float, bool, str) and not (typing.get_origin(kind) is Literal and len(typing.get_args(kind)) >= 2):
            raise TypeError(f"{where} is {kind}; an option is an int, float, bool, str or a Literal of two or more")
        if parameter.default is inspect.Parameter.empty:
            raise TypeError(f"{where} has no default")
        fields[parameter.name] = (annotation, parameter.default)
    model = create_model(
        f"{function.__name__}_options", __config__=ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False), **fields
    )
    for name, field in model.model_fields.items():
        if not field.description:
            raise TypeError(f"option {name!r} of {function.__name__} lacks a description")
    return model


def validated(owner: str, options: type[BaseModel], given: Mapping[str, Any]) -> dict[str, OptionValue]:
    """All the options of `owner`, defaults filled in; ValueError or TypeError in plain words for what does not fit."""
    for name in given:
        if name not in options.model_fields:
            known = list(options.model_fields)
            raise TypeError(
                f"{owner}: {unknown('option', name, known)}" if known else f"{owner} takes no options, got {name!r}"
            )
    try:
        return options.model_validate(dict(given)).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{owner}: {first['loc'][0]}={reprlib.repr(first['input'])}: {first['msg']}") from None

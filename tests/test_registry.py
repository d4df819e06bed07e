from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from pellucid.registry import Registry, UnknownName, options_of, unknown, validated


def whatever(
    model: object,
    *,
    samples: Annotated[int, Field(ge=2, le=100, description="How many.")] = 8,
    noise: Annotated[float, Field(gt=0, description="How strong.")] = 0.5,
    kind: Annotated[Literal["mean", "variance"], Field(description="Which.")] = "mean",
    paired: Annotated[bool, Field(description="Whether.")] = False,
    path: Annotated[str, Field(description="Where.")] = "",
) -> None: ...


def test_options_are_the_keyword_only_parameters() -> None:
    options = options_of(whatever)
    assert list(options.model_fields) == ["samples", "noise", "kind", "paired", "path"]
    schema = options.model_json_schema()["properties"]
    assert schema["samples"] == {
        "default": 8, "description": "How many.", "maximum": 100, "minimum": 2, "title": "Samples", "type": "integer",
    }  # fmt: skip
    assert schema["kind"]["enum"] == ["mean", "variance"]


def test_validated_fills_in_defaults() -> None:
    assert validated("whatever", options_of(whatever), {"samples": 3}) == {
        "samples": 3, "noise": 0.5, "kind": "mean", "paired": False, "path": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"samples": 1}, ValueError, "whatever: samples=1: Input should be greater than or equal to 2"),
        ({"samples": 2.5}, ValueError, r"whatever: samples=2\.5: Input should be a valid integer"),
        ({"noise": 0}, ValueError, "whatever: noise=0: Input should be greater than 0"),
        ({"noise": float("nan")}, ValueError, "whatever: noise=nan: Input should be"),
        ({"kind": "median"}, ValueError, "whatever: kind='median': Input should be 'mean' or 'variance'"),
        ({"sample": 5}, TypeError, r"whatever: no option named 'sample' \(did you mean 'samples'\?\); known: samples, noise"),
    ],
)
def test_validated_says_what_does_not_fit(given: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        validated("whatever", options_of(whatever), given)


def test_an_option_that_no_form_could_show_is_refused() -> None:
    def optional(*, layer: str | None = None) -> None: ...
    def silent(*, layer: str = "") -> None: ...
    def required(*, layer: Annotated[str, Field(description="Which.")]) -> None: ...
    def lone(*, kind: Annotated[Literal["one"], Field(description="Which.")] = "one") -> None: ...

    for function, message in (
        (optional, "option 'layer' of optional is"),
        (silent, "option 'layer' of silent lacks a description"),
        (required, "option 'layer' of required has no default"),
        (lone, "a Literal of two or more"),
    ):
        with pytest.raises(TypeError, match=message):
            options_of(function)


def test_an_unknown_name_is_answered_with_the_near_and_the_known_ones() -> None:
    assert (
        unknown("method", "limes", ["lime", "saliency"])
        == "no method named 'limes' (did you mean 'lime'?); known: lime, saliency"
    )
    many = [f"class {i}" for i in range(1000)]
    assert "known:" not in unknown("class", "clas 1", many)
    assert "did you mean 'class 1'" in unknown("class", "clas 1", many)
    layers = [f"_Blocks.{n}._conv" for n in range(50)]
    assert (
        unknown("layer", "x4", layers)
        == "no layer named 'x4'; nearest of 50: _Blocks.4._conv, _Blocks.49._conv, _Blocks.48._conv"
    )


def test_a_registry_loads_its_package_at_the_first_look_and_refuses_a_second_entry() -> None:
    registry: Registry[object] = Registry("method", "pellucid.methods")
    registry.add("one", 1)
    with pytest.raises(ValueError, match="there is already a method named 'one'"):
        registry.add("one", 2)
    assert registry["one"] == 1
    with pytest.raises(UnknownName) as caught:
        registry["on"]
    assert str(caught.value) == "no method named 'on' (did you mean 'one'?); known: one", "no quotes around a KeyError's text"


@pytest.mark.usefixtures("unchecked")
def test_an_entry_in_place_of_its_name_is_told_so() -> None:
    registry: Registry[object] = Registry("method", "pellucid.methods")
    registry.add("one", 1)
    given: Any = options_of
    with pytest.raises(UnknownName, match=r"^a method is given by its name, not as a function; known: .*\bone\b"):
        registry[given]


def test_a_name_that_holds_the_word_is_nearer_than_one_spelled_alike() -> None:
    labels = ["castle", "tabby cat", "Siamese Cat", "catamaran", "library", "Labrador retriever"]
    assert unknown("class", "cat", labels).startswith("no class named 'cat' (did you mean 'tabby cat' or 'Siamese Cat'?)")
    assert "(did you mean 'Labrador retriever'?)" in unknown("class", "Labrador", labels)
    assert "(did you mean 'library'?)" in unknown("class", "libraary", labels)
    assert "did you mean" not in unknown("class", "(", labels)

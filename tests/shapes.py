"""The checks of types and shapes in every call that `--jaxtyping-packages` asks for, without their cost where no shape is.

jaxtyping binds the arguments of every function anew, whether an array is among them or not, which takes half of the suite's
time. A function whose annotations name no array is checked by beartype alone, which says the same of it.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import beartype
import jaxtyping

_shapes: Any = jaxtyping.jaxtyped


def checked(fn: Any = None, *, typechecker: Any = None) -> Any:
    """In place of `jaxtyping.jaxtyped`."""
    if fn is None:
        return functools.partial(checked, typechecker=typechecker)
    if not inspect.isfunction(fn) or _names_an_array(fn):
        return _shapes(fn, typechecker=typechecker)
    return _switchable(fn, beartype.beartype(fn))


def _names_an_array(fn: Callable[..., Any]) -> bool:
    try:
        hints = get_type_hints(fn, include_extras=True)
    except Exception:  # whatever cannot be said before the module is whole
        return True
    return any(map(_is_array, hints.values()))


def _is_array(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(_is_array(part) for part in get_args(hint) if not isinstance(part, str))


def _switchable(fn: Callable[..., Any], checking: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        return (fn if jaxtyping.config.jaxtyping_disable else checking)(*args, **kwargs)

    return call


def install() -> None:
    """To be called before pellucid is imported."""
    jaxtyping.jaxtyped = checked

"""The checks of types and shapes in every call that `--jaxtyping-packages` asks for, without the greater part of their cost.

jaxtyping binds the arguments of every function anew and looks at each of them twice, which takes half of the suite's time.
Here beartype checks a function, and says the same of it; one whose annotations name arrays has a scope of its own, in which a
size of one name is one size in all that it takes and gives back.
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
    arrays = _arrays(fn) if inspect.isfunction(fn) else None
    # jaxtyping's own way: a size made of an argument, `{size}`; and a generator, which is made in the scope and runs outside it
    if arrays is None or any("{" in array.dim_str for array in arrays) or (arrays and inspect.isgeneratorfunction(fn)):
        return _shapes(fn, typechecker=typechecker)
    checking = beartype.beartype(fn)
    return _switchable(fn, _scoped(checking) if arrays else checking)


def _arrays(fn: Callable[..., Any]) -> list[Any] | None:
    """That its annotations name; None where they cannot be read before the module is whole."""
    try:
        hints = get_type_hints(fn, include_extras=True)
    except Exception:
        return None
    return [array for hint in hints.values() for array in _of(hint)]


def _of(hint: Any) -> list[Any]:
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return [hint]
    return [array for part in get_args(hint) if not isinstance(part, str) for array in _of(part)]


def _scoped(checking: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with _shapes("context"):
            return checking(*args, **kwargs)

    return call


def _switchable(fn: Callable[..., Any], checking: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        return (fn if jaxtyping.config.jaxtyping_disable else checking)(*args, **kwargs)

    return call


def install() -> None:
    """To be called before pellucid is imported."""
    jaxtyping.jaxtyped = checked

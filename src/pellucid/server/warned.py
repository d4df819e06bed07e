"""What the library warns of, for the person who asked."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def warned(*kinds: type[Warning]) -> Iterator[list[str]]:
    """The texts of the warnings inside the `with`, there once it has ended; of these kinds, or of all.

    subtle: only ever in the worker, since Python keeps its filters of warnings for all threads together.
    """
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield notes
    notes += dict.fromkeys(str(one.message) for one in heard if not kinds or issubclass(one.category, kinds))

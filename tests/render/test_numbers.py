import math

import pytest

from pellucid.render.lettering import fitted, width, wrapped
from pellucid.render.numbers import measured, number, percent, shorten


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.0, "1.00"), (0.03123, "0.0312"), (-0.5, "-0.500"), (12.345, "12.3"), (1234.5, "1230"),
        (9999.6, "1.00e+04"), (0.00099951, "0.00100"), (0.0009, "9.00e-04"), (1.234e-4, "1.23e-04"), (-2.5e7, "-2.50e+07"),
        (math.inf, "inf"), (math.nan, "nan"),
    ],
)  # fmt: skip
def test_a_number_has_three_significant_digits(value, text):
    assert number(value) == text


def test_two_digits_and_a_unit_with_its_error():
    assert number(1.234e-4, 2) == "1.2e-04"
    assert measured(0.03123, "logit", 1.234e-4) == "0.0312 ± 1.2e-04 logit"
    assert measured(2.0, "logit") == "2.00 logit"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"), (1, "100 %"), (0.9502, "95 %"), (0.0134, "1.3 %"), (0.0996, "10 %"), (0.996, "99.6 %"),
        (0.99999, ">99.9 %"),
        (1e-9, "<0.1 %"),
    ],
)  # fmt: skip
def test_a_share_is_never_rounded_to_nothing_or_all(share, text):
    assert percent(share) == text


def test_a_long_name_keeps_both_ends():
    assert shorten("seafood_spiny_lobster.jpg", 25) == "seafood_spiny_lobster.jpg"
    assert shorten("seafood_spiny_lobster.jpg", 14) == "seafood_…r.jpg"
    assert all(len(shorten("abcdefghij", n)) == min(n, 10) for n in range(1, 12))


def test_text_is_fitted_to_the_pixels_it_has():
    assert width("ill", 10) < width("WWW", 10) < width("WWW", 10, bold=True)
    for room in (16, 50, 120):
        assert width(fitted("WWWWWWWWWWWWWWWWWWWW", room, 15), 15) <= room
    lines = wrapped("integrated gradients over a photograph_with_an_exceedingly_long_name", 120, 16)
    assert all(width(line, 16) <= 120 for line in lines)
    assert len(lines) > 2
    assert wrapped("one two three four", 45, 16, most=2)[-1].endswith("…")
    assert wrapped("", 100, 16) == []

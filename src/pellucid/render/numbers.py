"""Numbers and names as a person reads them in a caption."""

import math

Real = int | float
"""A number as a caller may write it; checkers of types at run time tell `1` from `1.0`."""


def number(value: Real, digits: int = 3) -> str:
    """`0`, `0.0312`, `12.5`, `1.23e-04`: that many significant digits, an exponent below 0.001 and from 10,000 on."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}".removeprefix("-" if value == 0 else "")
    text = f"{value:.{digits - 1}e}"
    mantissa, exponent = text.split("e")
    if -3 <= int(exponent) <= 3:
        return f"{float(text):.{max(0, digits - 1 - int(exponent))}f}"
    return f"{mantissa}e{exponent}"


def measured(value: Real, unit: str = "", error: Real | None = None) -> str:
    """`0.0312 ± 1.2e-04 logit`; without the error where there is none."""
    parts = [number(value)] + ([f"± {number(error, 2)}"] if error is not None else []) + ([unit] if unit else [])
    return " ".join(parts)


def percent(share: Real) -> str:
    """`95 %`, `0.4 %`, `<0.1 %`: a share or a probability; never 0 or 100 % unless it is."""
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    if share < 0.001:
        return "<0.1 %"
    if share > 0.999:
        return ">99.9 %"
    return f"{share * 100:.{0 if 0.0995 <= share < 0.995 else 1}f} %"


def shorten(text: str, length: int) -> str:
    """At most that many characters, an ellipsis in the place of the middle: a file's name differs at both ends."""
    if len(text) <= length:
        return text
    head = math.ceil((length - 1) * 0.6)
    return f"{text[:head].rstrip()}…{text[len(text) - (length - 1 - head) :].lstrip()}" if length > 3 else text[:length]

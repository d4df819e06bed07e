/** Values that a link must not lose. */
import fc from "fast-check";

export const text = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("", "none", "~none", "~", "~~", "a&b=c", "💐 &=#?%25+", "0", "false", " ", "null", "observation:0"),
);
export const real = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, -0, 1e-320, 0.1));

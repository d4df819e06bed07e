/** The browser draws and writes as the library does; `library.json` is what the library gave (tests/browser/test_agreement.py keeps it true). */
import { describe, expect, it } from "vitest";
import { floats, fromBase64 } from "../src/lib/bytes";
import { level, limitsOf, paint, type Scale } from "../src/lib/colours";
import { number, percent, printed } from "../src/lib/numbers";
import library from "./library.json";

const map = floats(library.map);
const rgb = fromBase64(library.photo);
const photo = new Uint8ClampedArray(4 * map.length);
for (let i = 0; i < map.length; i++) photo.set([rgb[3 * i] ?? 0, rgb[3 * i + 1] ?? 0, rgb[3 * i + 2] ?? 0, 255], 4 * i);
const opaque = (pixels: Uint8ClampedArray) => [...pixels].filter((_, i) => i % 4 !== 3);
const look = { mode: "map", strength: 0.85, threshold: 0, sign: "both" } as const;

describe("numbers", () => {
  it("are printed as Python prints them", () => {
    for (const [value, text] of library.printed) expect(printed(Object.is(text, "-0.0") ? -0 : Number(value))).toBe(text);
  });
  it("are written as the library writes them in captions", () => {
    for (const [value, digits, text] of library.number) expect([value, digits, number(Number(value), Number(digits))]).toEqual([value, digits, text]);
  });
  it("are shares as the library writes them", () => {
    for (const [share, text] of library.percent) expect([share, percent(Number(share))]).toEqual([share, text]);
  });
});

describe.each(Object.entries(library.scales))("colours, %s", (name, expected) => {
  const [scale, quantile] = name.split(" ") as [Scale, string];
  const within = limitsOf([map], scale, Number(quantile));
  it("lie between the library's limits", () => {
    expect(within.low).toBeCloseTo(expected.low, 12);
    expect(within.high).toBeCloseTo(expected.high, 12);
    expect(within.beyond).toBeCloseTo(expected.beyond, 12);
  });
  it("take the library's levels", () => {
    expect([...map].map((value) => level(value, within))).toEqual(expected.levels);
  });
  it("draw the library's map", () => {
    expect(opaque(paint(map, null, within, look))).toEqual([...fromBase64(expected.map)]);
  });
  it("draw the library's overlay", () => {
    expect(opaque(paint(map, photo, within, { ...look, mode: "overlay" }))).toEqual([...fromBase64(expected.overlay)]);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Turns } from "../src/api/turns";
import { encodeIntegers, floats, fromBase64, integers, toBase64 } from "../src/lib/bytes";
import { legendNotes, limitsOf, paint, visible } from "../src/lib/colours";
import { disagreement } from "../src/lib/compare";
import { csv } from "../src/lib/csv";
import { svg, wrapped } from "../src/lib/figure";
import { compared, enlarged, opening, withFilters } from "../src/lib/filters";
import { sentence } from "../src/lib/notes";
import { page } from "../src/lib/page";
import { canonical, type Field, fieldsOf, presetOf, withoutDefaults, wrong } from "../src/lib/schema";
import { boundaries, heaviest, shownAfter } from "../src/lib/segments";

describe("bytes", () => {
  it("are little-endian floats", () => {
    expect([...floats("AACAPwAAAMAAAAAA")]).toEqual([1, -2, 0]);
  });
  it("come back as they were", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100_000 }), (bytes) => {
      expect(fromBase64(toBase64(bytes))).toEqual(new Uint8Array(bytes));
    }), { numRuns: 30 });
    fc.assert(fc.property(fc.array(fc.integer()), (values) => {
      expect([...integers(encodeIntegers(values))]).toEqual(values);
    }));
  });
  it("refuse a map of another size", () => {
    expect(() => floats("AACAPwAAAMAAAAAA", 4)).toThrow("12 bytes of numbers came; 4 of 4 bytes each were expected");
    expect(() => floats("AACAPwA=")).toThrow(RangeError);
  });
});

describe("colours", () => {
  const within = limitsOf([Float32Array.of(-2, 1, 0.5, 0)], "symmetric", 1);
  it("share one scale over several maps", () => {
    expect(limitsOf([Float32Array.of(1), Float32Array.of(-5)], "symmetric", 1)).toEqual({ scale: "symmetric", low: -5, high: 5, beyond: 0 });
  });
  it("have no range in an empty map", () => {
    const flat = limitsOf([new Float32Array(9)], "symmetric");
    expect(flat.high).toBe(0);
    expect([...paint(new Float32Array(1), null, flat, { mode: "map", strength: 1, threshold: 0, sign: "both" })].slice(0, 3)).toEqual([247, 247, 247]);
  });
  it("hide by sign and by strength", () => {
    expect(visible(-2, within, { threshold: 0, sign: "positive" })).toBe(false);
    expect(visible(-2, within, { threshold: 0, sign: "negative" })).toBe(true);
    expect(visible(1, within, { threshold: 0.5, sign: "both" })).toBe(true);
    expect(visible(0.99, within, { threshold: 0.5, sign: "both" })).toBe(false);
  });
  it("show the photograph where nothing is to be seen", () => {
    const photo = Uint8ClampedArray.of(10, 20, 30, 255);
    expect([...paint(Float32Array.of(1), photo, within, { mode: "photo", strength: 1, threshold: 0, sign: "both" })]).toEqual([10, 20, 30, 255]);
    const grey = paint(Float32Array.of(0.1), photo, within, { mode: "overlay", strength: 1, threshold: 0.5, sign: "both" });
    expect(grey[0]).toBe(grey[1]);
  });
  it("say on the legend whether the scale is shared", () => {
    expect(legendNotes(within, "both", true, true)).toContain("one scale for all maps");
    expect(legendNotes(within, "both", false, true)).toContain("each map its own scale");
    expect(legendNotes(within, "both", false, false)).toEqual(["red for, blue against"]);
    const up = { ...within, scale: "magnitude" as const };
    expect(legendNotes(up, "both", false, false)).toEqual(["magnitude, no sign"]);
    expect(legendNotes(up, "both", false, false, true)).toEqual(["only what speaks for the target, the rest dropped"]);
    expect(legendNotes(within, "positive", false, false)).toEqual(["red for; against is not shown"]);
    expect(legendNotes(within, "negative", false, false)).toEqual(["blue against; for is not shown"]);
    expect(legendNotes({ ...within, beyond: 0.005 }, "both", false, false)).toEqual(["red for, blue against", "0.5 % lie beyond"]);
  });
});

describe("a form", () => {
  const schema = {
    properties: {
      samples: { type: "integer", default: 50, minimum: 1, maximum: 1000, description: "How many." },
      noise: { type: "number", default: 0.15, exclusiveMinimum: 0, maximum: 1 },
      rule: { type: "string", enum: ["left", "right"], default: "left" },
      multiply: { type: "boolean", default: true },
      picture: { type: "string", default: "", format: "image" },
    },
  };
  it("offers nothing that only a shell can give", () => {
    const cut = { cut: { type: "string", enum: ["slic", "labels"], default: "slic" } };
    const choices = (found: Field[]) => found.flatMap((field) => (field.kind === "choice" ? field.choices : [field.name]));
    expect(choices(fieldsOf({ properties: { ...cut, label_map: { type: "string", default: "", format: "labels" } } }))).toEqual(["slic"]);
    expect(choices(fieldsOf({ properties: cut }))).toEqual(["slic", "labels"]);
  });
  const [samples, noise, ...rest] = fieldsOf(schema) as [Field, Field, ...Field[]];
  it("has a field for each option", () => {
    expect([samples, noise, ...rest].map(({ kind }) => kind)).toEqual(["integer", "real", "choice", "switch", "text"]);
    expect(samples.help).toBe("How many.");
  });
  it("says what is wrong with a number", () => {
    expect(wrong(samples, "1.5")).toBe("samples is a whole number, not 1.5");
    expect(wrong(samples, "0")).toBe("samples is at least 1, not 0");
    expect(wrong(samples, "1001")).toBe("samples is at most 1000, not 1001");
    expect(wrong(noise, "0")).toBe("noise is above 0, not 0");
    expect(wrong(noise, "many")).toBe("noise is a number, not “many”");
    expect(wrong(samples, "1000") + wrong(noise, "1")).toBe("");
  });
  it("refuses what it could not show", () => {
    expect(() => fieldsOf({ properties: { odd: { type: "array" } } })).toThrow("option odd is of type array");
  });
  it("leaves out defaults but no zero and no false", () => {
    expect(withoutDefaults(schema, { samples: 50, multiply: false, noise: 0, rule: "right" })).toEqual({ multiply: false, noise: 0, rule: "right" });
  });
  it("knows a preset by its options", () => {
    const presets = { course: { options: { samples: 10, multiply: false } } };
    expect(presetOf(schema, presets, { multiply: false, samples: 10, rule: "left" })).toBe("course");
    expect(presetOf(schema, presets, { samples: 10 })).toBeNull();
  });
  it("asks equal questions equally", () => expect(canonical({ b: [1, { d: 2, c: 3 }], a: null })).toBe('{"a":null,"b":[1,{"c":3,"d":2}]}'));
});

describe("superpixels", () => {
  it("rank by magnitude, and nothing says nothing", () => {
    expect(heaviest([0.1, -3, 0, 2, -2])).toEqual([1, 3, 4, 0]);
    expect(heaviest([0.1, -3, 0, 2, -2], "positive")).toEqual([3, 0]);
    expect(heaviest([0.1, -3, 0, 2, -2], "negative")).toEqual([1, 4]);
  });
  it("are kept or removed", () => {
    expect(shownAfter(4, [2, 0, 1], 2, "keep")).toEqual([0, 2]);
    expect(shownAfter(4, [2, 0, 1], 2, "remove")).toEqual([1, 3]);
  });
  it("end where the next begins", () => {
    expect([...boundaries(Int32Array.of(0, 0, 1, 0, 0, 1), 3)]).toEqual([0, 1, 0, 0, 1, 0]);
    expect([...boundaries(Int32Array.of(0, 1, 0, 1), 1)]).toEqual([1, 1, 1, 0]);
  });
});

it("maps that differ only in strength do not disagree", () => {
  const one = Float32Array.of(1, -2, 0);
  expect([...disagreement([one, one.map((v) => 3 * v)], [2, 6])]).toEqual([0, 0, 0]);
  expect([...disagreement([Float32Array.of(1), Float32Array.of(-1)], [1, 1])]).toEqual([1]);
});

describe("filters", () => {
  it("compare a mean with a mean, and a peak with a peak", () => {
    const firing = { source: "", name: "", maps: [], patches: [], beats_images: [true], made: [{ raised: 32.7, peak: 34 }], photographs: [{ raised: 10, peak: 35.1 }] };
    const found = compared(firing, "map's mean");
    expect(found?.rows.map(({ raised, peak }) => [raised, peak])).toEqual([[32.7, 34], [10, 35.1]]);
    expect(found?.sentence).toBe("By its map's mean, which ascent raised, the made picture excites it more than any of these photographs. At its strongest place, a photograph excites it more.");
    expect(compared({ ...firing, made: [{ raised: 9, peak: 36 }] }, "map's mean")?.sentence).toBe(
      "By its map's mean, which ascent raised, a photograph excites it more than the made picture does: ascent has not found the best. At its strongest place, the made picture excites it more than any of them.",
    );
    expect(compared({ ...firing, made: [] }, "map's mean")).toBeNull();
  });
  it("are enlarged linearly, and constant beyond the outermost centres", () => {
    const large = enlarged(Float32Array.of(0, 4), 1, 2, 1, 4);
    expect([...large]).toEqual([0, 1, 3, 4]);
  });
  it("open inside the network, at a layer that has some", () => {
    const layer = (name: string, kind: string, shape: number[], calls = 1) => ({ name, kind, shape, calls });
    const layers = withFilters([layer("pad", "ZeroPad2d", [3, 9, 9]), layer("a", "Conv2d", [4, 8, 8]), layer("twice", "ReLU", [4, 8, 8], 2), layer("b", "Block", [8, 4, 4]), layer("c", "Block", [8, 2, 2]), layer("d", "Block", [8, 2, 2]), layer("odd", "X", [2, 3])]);
    expect(layers.map(({ name }) => name)).toEqual(["pad", "a", "b", "c", "d"]);
    expect(opening(layers)).toBe("c");
  });
});

describe("files", () => {
  it("quote what CSV needs quoted, and start no formula", () => {
    expect(csv(["a", "b"], [["x,y", 1.5], ['say "so"', null], ["=1+1", -2]])).toBe('a,b\r\n"x,y",1.5\r\n"say ""so""",\r\n\'=1+1,-2\r\n');
  });
  it("escape text in a drawing", () => {
    const drawn = svg({ title: "<b>&", facts: [], columns: 1, panels: [{ title: 'a"', lines: ["x"], picture: "data:,", legend: null }] });
    expect(drawn.text).toContain("&lt;b&gt;&amp;");
    expect(drawn.text).not.toContain("<b>");
  });
  it("break lines at spaces, and long words anywhere", () => {
    expect(wrapped("one two three", 7)).toEqual(["one two", "three"]);
    expect(wrapped("abcdefgh", 3)).toEqual(["abc", "def", "gh"]);
  });
  it("keep data and script of a page apart", () => {
    const held = { version: "1", made: "", query: "image=</script><script>alert(1)</script>", answers: {}, pictures: {}, jobs: {} };
    const made = page('const a = "</script>"; const b = "<!--";', "a{}", held, "<t>");
    expect(made.match(/<\/script/g)).toHaveLength(2);
    expect(made).not.toContain("<!--");
    const data = /id="pellucid-saved">(.*?)<\/script>/s.exec(made)?.[1] ?? "";
    expect(JSON.parse(data)).toEqual(held);
  });
});

describe("turns", () => {
  it("let so many in at once and the rest in order, and skip who has left", async () => {
    const turns = new Turns(1);
    const told: string[] = [];
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const gone = new AbortController();
    const stay = new AbortController().signal;
    const all = [
      turns.take(() => (told.push("first"), gate), stay),
      turns.take(async () => void told.push("gone"), gone.signal),
      turns.take(async () => void told.push("second"), stay),
    ];
    await Promise.resolve();
    expect(told).toEqual(["first"]);
    gone.abort();
    open();
    await Promise.all(all);
    expect(told).toEqual(["first", "second"]);
  });
});

it("notes are sentences, and names stay as they are", () => {
  expect(sentence("the vocabulary of minilm has no piece for '🐱'")).toBe("The vocabulary of minilm has no piece for '🐱'.");
  expect(sentence("minilm would say that the passage does not answer this.")).toBe("minilm would say that the passage does not answer this.");
  expect(sentence("theirs")).toBe("theirs.");
});

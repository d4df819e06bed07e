import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Arc, arcsOf, attend, blocks, brief, type Effect, effectLacks, headsIn, lacking, layerIn, lockOf, lockText, maskedCount, maskedPieces, opacityOf, ranked, reading, rule, sideChange, sideOf, spelt, STROKES, strokes,
  strongest, strongestFirst, thumbnail, toggled, type Token, type Weights, widthOf, withMask, wordGroups, named,
} from "../src/lib/attention";
import { COLUMNS, drawing, type Look, rows, type Told } from "../src/lib/attentionFigure";
import { START } from "../src/lib/states/attention";

const token = (index: number, text: string, word: number, start: number, part = 0, masked = false): Token => ({ index, text, piece: text, start, end: start + text.length, word, role: part < 0 ? "special" : "context", part, masked });
const PIECES = [token(0, "[CLS]", -1, 0, -1), token(1, "un", 0, 0), token(2, "lock", 0, 2), token(3, "ing", 0, 6), token(4, "it", 1, 10), token(5, "[SEP]", -1, 0, -1)];

it("pieces that go on with a word are marked as tokenizers do", () => {
  expect(PIECES.map((_, at) => named(PIECES, at))).toEqual(["[CLS]", "un", "##lock", "##ing", "it", "[SEP]"]);
});

/** Two heads over three tokens. */
const WEIGHTS: Weights = { heads: 2, count: 3, values: Float32Array.of(0.5, 0.3, 0.2, 0.1, 0.8, 0.1, 0, 0, 1, 0.25, 0.5, 0.25, 1, 0, 0, 0.4, 0.4, 0.2) };
const NONE = [false, false, false];

describe("arcs", () => {
  it("are the sum of the chosen heads; of every query the strongest keys that carry the mass", () => {
    const seen = attend(WEIGHTS, NONE, [0, 1], 0.7);
    expect([...seen.total]).toEqual([0.75, 0.8, 0.45, 1.1, 0.8, 0.1, 0.4, 0.4, 1.2].map(Math.fround));
    expect([...seen.kept]).toEqual([1, 1, 0, 1, 1, 0, 1, 0, 1]); // of equal weights, the earlier key
    expect(seen.largest).toBe(Math.fround(1.2));
    expect(seen.arcs).toBe(6);
  });
  it("keep the edge that reaches the mass, also where 32 bits fall short of it", () => {
    expect([...strongest(Float32Array.of(0.5, 0.3, 0.2), 3, 0.8)].slice(0, 3)).toEqual([1, 1, 0]);
    expect([...strongest(Float32Array.of(0.7, 0.2, 0.1), 3, 0.7)].slice(0, 3)).toEqual([1, 0, 0]); // float32 0.7 is less than 0.7
  });
  it("are all of those with weight at mass 1, and none without heads", () => {
    expect([...attend(WEIGHTS, NONE, [0], 1).kept]).toEqual([1, 1, 1, 1, 1, 1, 0, 0, 1]);
    expect(attend(WEIGHTS, NONE, [], 1).arcs).toBe(0);
  });
  it("of hidden tokens are none, and the rest is not renormalised", () => {
    const { total } = attend(WEIGHTS, [true, false, false], [0], 1);
    expect([...total]).toEqual([0, 0, 0, 0, 0.8, 0.1, 0, 0, 1].map(Math.fround));
  });
  it("carry the mass of every row, with none to spare", () => {
    fc.assert(fc.property(fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: 9, maxLength: 9 }), fc.double({ min: 0.01, max: 1, noNaN: true }), (values, mass) => {
      const total = Float32Array.from(values);
      const kept = strongest(total, 3, mass);
      for (const row of [0, 1, 2]) {
        const weights = [...total.subarray(3 * row, 3 * row + 3)];
        const shown = weights.filter((_, key) => kept[3 * row + key]);
        const sum = (of: number[]) => of.reduce((a, b) => a + b, 0);
        expect(sum(shown)).toBeGreaterThanOrEqual(mass * sum(weights) * (1 - 1e-5));
        if (mass < 1 && shown.length) expect(sum(shown) - Math.min(...shown)).toBeLessThan(mass * sum(weights) + 1e-12);
      }
    }));
  });
  it("of one token are its own", () => {
    const seen = attend(WEIGHTS, NONE, [0], 1);
    expect(arcsOf(seen, { side: "from", index: 0 }).map(({ key }) => key)).toEqual([0, 1, 2]);
    expect(strongestFirst(arcsOf(seen, { side: "to", index: 2 })).map(({ query }) => query)).toEqual([2, 0, 1]);
  });
  it("are few paths however many they are, and none is drawn as nothing", () => {
    const many: Arc[] = Array.from({ length: 5000 }, (_, i) => ({ query: i % 100, key: i % 77, weight: (i + 1) / 5000 }));
    const drawn = strokes(many, 1, 20, 100, false);
    expect(drawn.length).toBe(STROKES);
    expect(drawn.map(({ path }) => path.match(/M/g)?.length ?? 0).reduce((a, b) => a + b)).toBe(5000);
    expect(opacityOf(0)).toBeGreaterThan(0.1);
    expect(widthOf(0)).toBeGreaterThan(0.5);
    expect(widthOf(1)).toBeGreaterThan(widthOf(0.5));
  });
});

describe("blocks", () => {
  it("are what a head gives and receives over the kept arcs", () => {
    const seen = attend(WEIGHTS, NONE, [0, 1], 1);
    const { given, received, most } = blocks(WEIGHTS, seen, null);
    for (const value of given) expect(value).toBeCloseTo(1, 6);
    expect(received[0]).toBeCloseTo(0.6, 6);
    expect(received[3]).toBeCloseTo(1.65, 6);
    expect(most).toBe(Math.max(...received));
  });
  it("are of the locked token where one is", () => {
    const { given, received } = blocks(WEIGHTS, attend(WEIGHTS, NONE, [0], 1), { side: "to", index: 1 });
    expect([...given].map((value) => Number(value.toFixed(2)))).toEqual([0.3, 0.8, 0, 0.5, 0, 0]); // over the arcs of head 0
    expect(received[0]).toBe(0);
  });
});

describe("tokens", () => {
  it("make words of pieces", () => expect(wordGroups(PIECES)).toEqual([[0], [1, 2, 3], [4], [5]]));
  it("are masked by their characters, and shown again", () => {
    const one = withMask(PIECES, [], [4]);
    expect(one).toEqual(["0:10-12"]);
    expect(maskedPieces(PIECES, one)).toEqual([4]);
    const both = withMask(PIECES, one, [1, 2, 3]);
    expect(maskedPieces(PIECES, both)).toEqual([1, 2, 3, 4]);
    expect(withMask(PIECES, both, [1, 2, 3])).toEqual(one);
    expect(withMask(PIECES, ["0:0-2"], [1, 2, 3])).toEqual(["0:0-2", "0:2-6", "0:6-9"]);
  });
  it("count as masked when the text itself has a mask there", () => {
    const typed = PIECES.map((piece, at) => ({ ...piece, masked: at === 5 }));
    expect([maskedCount(typed, []), maskedCount(typed, ["0:10-12"]), maskedCount(PIECES, ["0:10-12"])]).toEqual([1, 2, 1]);
  });
  it("that are special are never masked, nor is what no token has", () => {
    expect(withMask(PIECES, [], [0])).toEqual([]);
    expect(maskedPieces(PIECES, ["0:100-104", "nonsense", "1:0-9", spelt({ part: 0, start: 3, end: 4 })])).toEqual([2]);
  });
  it.each(["", "from:6", "to:-1", "up:1", "from:1.5", "from:"])("a lock on %j is none", (text) => expect(lockOf(text, 6)).toBeNull());
  it("a lock comes back from its text", () => expect(lockOf(lockText({ side: "to", index: 0 }), 6)).toEqual({ side: "to", index: 0 }));
  it("say what they attend to", () => {
    const tokens = [token(0, "a", 0, 0), token(1, "b", 1, 2, 0, true), token(2, "c", 2, 4)];
    const seen = attend(WEIGHTS, NONE, [0], 1);
    expect(reading(tokens, seen, { side: "from", index: 0 }, "head 0")).toBe("“a” attends to “a” 0.500, “b (masked)” 0.300, “c” 0.200 (head 0).");
    expect(reading(tokens, attend(WEIGHTS, NONE, [], 1), { side: "to", index: 1 }, "head 0")).toBe("Nothing that is shown attends to “b (masked)”.");
    expect(reading(tokens, seen, null, "")).toBe("");
  });
});

describe("layers and heads", () => {
  it("of another encoder are clamped to what it has", () => {
    expect([layerIn(12, 6), layerIn(0, 6), layerIn(2.4, 6), layerIn(-1, 0)]).toEqual([6, 1, 2, 1]);
    expect(headsIn([11, 3, 3, 0.5], 4)).toEqual([3]);
    expect(headsIn(null, 3)).toEqual([0, 1, 2]);
  });
  it("that a link asks for and the encoder does not have are said", () => {
    const small = { name: "small", layers: 6, heads: 4 };
    expect([lacking(small, 6, [0, 3]), lacking(small, 2.4, null)]).toEqual(["", ""]);
    expect(lacking(small, 3, [2, 77, -1])).toBe("small has heads 0 to 3, and no head 77, -1.");
    expect(lacking(small, 40, [4])).toBe("small has 6 layers; layer 6 is shown. small has heads 0 to 3, and no head 4.");
    expect(lacking({ name: "unread", layers: null, heads: null }, 40, [77])).toBe("");
  });
  it("toggle, and all of them are all of any encoder", () => {
    expect(toggled(null, 1, 3)).toEqual([0, 2]);
    expect(toggled([0, 2], 1, 3)).toBeNull();
    expect(toggled([], 2, 3)).toEqual([2]);
  });
  it("are ranked by effect, with their place by attention", () => {
    const effect = { effect: [[0.1, 3], [null, 2]], attention: [[0.9, 0.2], [0.5, 0.4]], layers: [1, 2], heads: [0, 1] } as unknown as Effect;
    expect(ranked(effect, 2)).toEqual([{ layer: 1, head: 1, effect: 3, attention: 0.2, place: 4 }, { layer: 2, head: 1, effect: 2, attention: 0.4, place: 3 }]);
  });
  it("are written in few signs", () => expect([0, 0.001, 0.25, 0.999, 2.345, 12.3, null].map(brief)).toEqual(["0", "<.01", ".25", "1.0", "2.3", "12", "–"]));
  it("have thumbnails that lose no strong weight", () => {
    const values = new Uint8Array(100).fill(1);
    values[57] = 200;
    const small = thumbnail(values, 10, [], 3);
    expect(small.size).toBe(3);
    expect([...small.values]).toEqual([1, 1, 1, 1, 1, 200, 1, 1, 1]);
    expect(thumbnail(values, 10, [], 48)).toEqual({ values, size: 10 });
    const hidden = thumbnail(values, 10, Array.from({ length: 10 }, (_, i) => i === 5), 10).values;
    expect([hidden[57], hidden[5], hidden[0]]).toEqual([0, 0, 1]);
  });
});

describe("one side", () => {
  const side = { ...sideOf(START, 0), masked: ["0:4-10"], lock: "from:2", effect: true, scores: true };
  it("forgets the tokens of the text before", () => {
    expect(sideChange(0, side, { text: "Another." })).toMatchObject({ attentionText: "Another.", attentionMasked: [], attentionLock: "", attentionEffect: false, attentionScores: false });
    expect(sideChange(1, side, { pair: "More." })).toMatchObject({ attentionPair2: "More.", attentionMasked2: [], attentionLock2: "" });
  });
  it("keeps masks and lock for another encoder, and asks for the effect anew", () => {
    expect(sideChange(0, side, { encoder: "minilm" })).toMatchObject({ attentionEncoder: "minilm", attentionMasked: ["0:4-10"], attentionLock: "from:2", attentionEffect: false, attentionScores: false });
    expect(sideChange(0, side, { masked: [] })).toMatchObject({ attentionEffect: false, attentionScores: false });
    expect(sideChange(0, { ...side, target: "pos" }, { encoder: "minilm" })).toMatchObject({ attentionTarget: "" });
    expect(sideChange(0, side, { target: "pos" })).toMatchObject({ attentionTarget: "pos", attentionEffect: true });
    expect(sideChange(0, side, { lock: "" })).toMatchObject({ attentionEffect: true, attentionScores: true, attentionLock: "" });
  });
  it("says what lacks before heads are taken out", () => {
    const model = (heads_for: string[]) => ({ heads_for }) as unknown as Parameters<typeof effectLacks>[0];
    expect(effectLacks(model([]), side, 1)).toBe("head");
    expect(effectLacks(model(["regression"]), side, 1)).toBe("probability");
    expect(effectLacks(model(["masked_words"]), { ...side, masked: [] }, 0)).toBe("mask");
    expect(effectLacks(model(["masked_words"]), side, 1)).toBe("");
    expect(effectLacks(model(["question_answering"]), side, 1)).toBe("pair");
    expect(effectLacks(model(["question_answering"]), { ...side, pair: "A passage." }, 0)).toBe("");
  });
});

it("the caption says what was done, as the library's does", () => {
  expect(rule(12, true, 0.7, false)).toBe("attention weight, sum of 12 heads; special tokens hidden, not renormalised; of every query the strongest keys that carry 70 % of what is shown of its row");
  expect(rule(1, false, 1, true)).toBe("attention weight; whole words: summed over the pieces attended to, averaged over the attending ones");
  expect(rule(1, false, 0.29, false)).toContain(" 29 % ");
});

describe("exports", () => {
  const tokens = [token(0, "<b>", 0, 0), token(1, "=1+1", 1, 4), token(2, "c", 2, 9)];
  const seen = attend(WEIGHTS, NONE, [1], 1);
  const told = {
    name: "attention", side: { ...sideOf(START, 0), text: "<b> & co" }, layer: 3, heads: 2, closed: () => false, pieces: tokens, tokens, weights: WEIGHTS, hidden: NONE, base: seen, seen, locked: null,
    answer: { predictions: [{ token: 1, top: [{ word: "x", probability: 0.5 }] }] }, overview: null, effect: null, scores: null, bodies: {},
  } as unknown as Told;
  const look: Look = { tool: "glance", statistic: "entropy", hide: false, mass: 1, words: false, version: "1", picture: () => "" };
  it("draw every arc, and no mark-up of the text's own", () => {
    const { text, width, height } = drawing([told, told], look);
    expect(text).not.toContain("<b>");
    expect(text).toContain("&lt;b&gt;");
    expect(text.match(/M0 /g)?.length).toBe(2 * seen.arcs);
    expect([width, height].every(Number.isFinite)).toBe(true);
  });
  it("number heads so that two digits do not run together", () => {
    const numbered = (heads: number) => {
      const many: Weights = { heads, count: 3, values: new Float32Array(heads * 9).fill(0.3) };
      const all = Array.from({ length: heads }, (_, i) => i);
      return [...drawing([{ ...told, heads, weights: many, seen: attend(many, NONE, all, 1), base: attend(many, NONE, all, 1) }], look).text.matchAll(/font-size="8"[^>]*>(\d+)</g)].map(([, head]) => Number(head));
    };
    expect(numbered(2)).toEqual([0, 0, 1, 1]);
    expect(numbered(12)).toEqual([0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10]);
  });
  it("name every number", () => {
    const all = [...rows([told], look)];
    expect(all.every((row) => row.length === COLUMNS.length)).toBe(true);
    expect(all.filter(([, , , what]) => what === "weight").length).toBe(seen.arcs);
    expect(all.find(([, , , what, , query, , key]) => what === "sum" && query === 1 && key === 0)?.at(-1)).toBe(1);
    expect(all.find(([, , , what]) => what === "guess: x")?.at(-1)).toBe(0.5);
  });
});

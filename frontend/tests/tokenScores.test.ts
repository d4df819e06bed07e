import { describe, expect, it } from "vitest";
import type { Token } from "../src/lib/attention";
import { sideOf } from "../src/lib/attention";
import { drawing, type Look, rows, type Told } from "../src/lib/attentionFigure";
import { START } from "../src/lib/states/attention";
import { type Colour, contrast, inkOn, type MethodScores, purple, scored, scoredText, scoresBody, scoresLacks, strongestTokens, targetOf, type TokenScores } from "../src/lib/tokenScores";
import { lookOf } from "../src/lib/verdicts";

const token = (index: number, text: string, start: number, part: number, masked = false): Token => ({ index, text, piece: text, start, end: start + [...text].length, word: index, role: part < 0 ? "special" : "context", part, masked });
const TEXTS = ["😀 who?", "An<b> un"];
const TOKENS = [token(0, "[CLS]", 0, -1), token(1, "😀", 0, 0), token(2, "who", 2, 0), token(3, "?", 5, 0), token(4, "[SEP]", 0, -1), token(5, "An", 0, 1), token(6, "<b>", 2, 1), token(7, "un", 6, 1, true)];
const TRUST = { verdict: "cannot be told", sentence: "It may be luck.", advice: "Take a longer text.", advantage: { value: 0.2, low: -0.1, high: 0.4 }, randomised: 0.1 };
const method = (signed: boolean, scores: (number | null)[]): MethodScores => ({ method: "erasure", unit: "logit", signed, scores, trust: TRUST, about: "cannot be told: It may be luck." }) as unknown as MethodScores;
const SIGNED = method(true, [null, 1, -4, 0, null, 2, 4, null]);
const SHARES = method(false, [null, 0, 0.5, 0.25, null, 0, 0.1, null]);
const ANSWER = { task: "question_answering", target: "the answer 'An'", places: [5], value: 8, value_unit: "logit", by_word: false, tokens: TOKENS, methods: [SIGNED, SHARES], notes: [] } as TokenScores;

describe("a scored text", () => {
  const { parts, within, legend } = scoredText(ANSWER, SIGNED, TEXTS);
  const chips = parts.flatMap((part) => part.chips);
  it("has each text on its own, without special tokens, with spaces where the text has them", () => {
    expect(parts.map(({ name, chips }) => [name, chips.map(({ apart, text }) => (apart ? " " : "") + text).join("")])).toEqual([["Question", " 😀 who?"], ["Passage", " An<b> [MASK]"]]);
    expect(scoredText({ ...ANSWER, task: "masked_words" }, SIGNED, [TEXTS[0] ?? ""]).parts.map(({ name }) => name)).toEqual([""]);
  });
  it("is red for and blue against, about nought to the largest magnitude", () => {
    expect([within.low, within.high]).toEqual([-4, 4]);
    expect(legend.ticks.map(({ text }) => text)).toEqual(["-4.00", "0", "4.00"]);
    const ground = (at: number) => chips.find((chip) => chip.at === at)?.ground;
    expect([ground(2), ground(3), ground(6)]).toEqual([legend.colours[0], "rgb(247,247,247)", legend.colours.at(-1)]);
  });
  it("marks what is asked about, and gives no colour to what has no score", () => {
    expect(chips.filter(({ marked }) => marked).map(({ at }) => at)).toEqual([5]);
    expect(chips.filter(({ ground }) => ground === "").map(({ text }) => text)).toEqual(["[MASK]"]);
    expect(chips.filter(({ ground }) => ground).length).toBe(scored(SIGNED));
  });
  it("goes from white to purple where there is no sign", () => {
    const shares = scoredText(ANSWER, SHARES, TEXTS);
    expect([shares.within.low, shares.within.high]).toEqual([0, 0.5]);
    expect(shares.parts[0]?.chips.map(({ ground }) => ground).slice(0, 2)).toEqual(["rgb(252,251,253)", "rgb(63,0,125)"]);
    expect(scoredText(ANSWER, method(false, TOKENS.map(() => null)), TEXTS).parts[0]?.chips.every(({ ground }) => ground === "")).toBe(true);
  });
  it("lists the strongest first", () => {
    expect(strongestTokens(ANSWER, SIGNED, 3).map(({ text, score }) => [text, score])).toEqual([["<b>", 4], ["An", 2], ["😀", 1]]);
  });
});

it("purple is matplotlib's", () => {
  expect([0, 1, 50, 127, 200, 254].map((n) => purple(n / 254))).toEqual([[252, 251, 253], [252, 251, 253], [227, 226, 239], [158, 154, 200], [99, 68, 157], [63, 0, 125]]);
});

it("letters are read on any ground", () => {
  for (let n = 0; n <= 255; n++) {
    const ground: Colour = [n, (n * 7) % 256, (n * 31) % 256];
    expect(contrast(ground, inkOn(ground) === "#000000" ? [0, 0, 0] : [255, 255, 255])).toBeGreaterThan(4.5);
  }
});

it("says what lacks before tokens are scored", () => {
  const model = (heads_for: string[]) => ({ heads_for }) as unknown as Parameters<typeof scoresLacks>[0];
  const side = { ...sideOf(START, 0), masked: ["0:4-10"] };
  expect(scoresLacks(model([]), side, 1)).toBe("head");
  expect(scoresLacks(model(["masked_words"]), { ...side, masked: [] }, 0)).toBe("mask");
  expect(scoresLacks(model(["classification"]), { ...side, masked: [] }, 0)).toBe("");
  expect(scoresLacks(model(["classification"]), side, 2)).toBe("");
  expect(scoresLacks(model(["masked_words"]), side, 1)).toBe("");
  expect(scoresLacks(model(["masked_words"]), side, 2)).toBe("one");
  expect(scoresLacks(model(["question_answering"]), side, 0)).toBe("pair");
  expect(scoresLacks(model(["question_answering"]), { ...side, pair: "A passage." }, 2)).toBe("");
});

it("asks about the class or number that is chosen, and of several numbers about the first", () => {
  const model = (head: string) => ({ heads_for: [head], labels: ["warmth", "length"] }) as unknown as Parameters<typeof targetOf>[1];
  const side = sideOf(START, 0);
  expect(scoresLacks(model("regression"), side, 2)).toBe("");
  expect(targetOf(side, model("classification"))).toBe("");
  expect(targetOf(side, model("regression"))).toBe("warmth");
  expect(targetOf({ ...side, target: "length" }, model("regression"))).toBe("length");
  expect(scoresBody({ ...side, target: "length" }, [], false, model("classification")).target).toBe("length");
});

it("asks for everything that the record is to hold", () => {
  expect(scoresBody(sideOf(START, 0), [2], true, undefined)).toMatchObject({ model: "minilm-mlm", pair: null, masked: [2], methods: ["erasure", "integrated_gradients", "attention"], target: null, by_word: true, evidence: true, seed: 0 });
});

it("a verdict that is not known is doubtful", () => {
  expect(["holds up", "no better than random", "cannot be told"].map(lookOf)).toEqual(["good", "bad", "doubt"]);
});

describe("exports", () => {
  const seen = { count: 8, heads: [0], total: new Float32Array(64), kept: new Uint8Array(64), largest: 0, arcs: 0 };
  const told = {
    name: "attention", side: { ...sideOf(START, 0), text: TEXTS[0], pair: TEXTS[1] }, layer: 1, heads: 1, closed: () => false, pieces: TOKENS, tokens: TOKENS, weights: { heads: 1, count: 8, values: new Float32Array(64) },
    hidden: TOKENS.map(() => false), base: seen, seen, locked: null, answer: { predictions: [] }, overview: null, effect: null, scores: ANSWER, bodies: {},
  } as unknown as Told;
  const look: Look = { tool: "tokens", statistic: "entropy", hide: false, mass: 1, words: false, version: "1", picture: () => "" };
  it("hold every score and the evidence, with this tool only", () => {
    const all = [...rows([told], look)];
    expect(all.filter(([, , , what]) => what === "score: erasure, logit").map((row) => row.at(-1))).toEqual([1, -4, 0, 2, 4, 0, 0.5, 0.25, 0, 0.1]);
    expect(all.find(([, , , what]) => what === "advantage over random orders: erasure, probability, low")?.at(-1)).toBe(-0.1);
    const number = { ...told, scores: { ...ANSWER, task: "regression" } } as unknown as Told;
    expect([...rows([number], look)].find(([, , , what]) => what === "advantage over random orders: erasure, the number, low")?.at(-1)).toBe(-0.1);
    expect([...rows([told], { ...look, tool: "effect" })].some(([, , , what]) => String(what).startsWith("score"))).toBe(false);
  });
  it("draw every token that has a score on its colour", () => {
    const { text, height } = drawing([told], look);
    expect(text.match(/<rect [^>]*height="22" fill="rgb/g)?.length).toBe(10);
    expect(text).toContain("cannot be told: It may be luck.");
    expect(text).toContain("&lt;b&gt;");
    expect(Number.isFinite(height)).toBe(true);
  });
});

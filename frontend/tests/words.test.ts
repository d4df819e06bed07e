import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { START } from "../src/lib/state";
import {
  bodyOf, cellText, colour, type Comparison, contrast, decimals, dividesOf, groupsOf, guessed, HEADER, inkOn, layerOf, legendNotes, limits, lines, type Matrix, materialOf, meanings, orderOf, pairOf, parts, pasted, question, questionsOf, runs, verdict, wrongOf,
} from "../src/lib/words";
import { figure } from "../src/views/words/figure";
import { plot } from "../src/views/words/plot";

const material = { word: "bank", sentences: ["The bank was steep.", "A bank of the river.", "My bank gave a loan.", "The bank is shut."], senses: ["river", "river", "money", "money"] };
const matrix = (a: number, b: number): Matrix => [[1, a, b, b], [a, 1, b, b], [b, b, 1, a], [b, b, a, 1]];
const separation = { difference: 0.3, low: 0.1, high: 0.4, p: 1 / 3, within: 0.8, between: 0.5, silhouette: 0.6, accuracy: 1 };
const answer: Comparison = {
  metric: "cosine", correction: "none", unit: "cosine similarity", rule: "cosine similarity of tiny's hidden states",
  layers: [
    { layer: 0, matrix: matrix(0.5, 0.5), random_words: 0.1, anisotropy: 0.1, separation: { ...separation, difference: 0 } },
    { layer: 1, matrix: matrix(0.8, 0.5), random_words: 0.2, anisotropy: 0.2, separation },
  ],
  words: ["bank", "bank", "bank", "bank"], spans: [[4, 8], [2, 6], [3, 7], [4, 8]], groups: ["river", "river", "money", "money"], best: 1, p_best: 0.01,
  chance: 1 / 3, reference: "60 English sentences", reference_tokens: 1491, notes: [],
};
const shown = { material, answer, body: bodyOf(material, START) };

describe("a word in its sentence", () => {
  it("is where Python counts it", () => expect(parts("💐💐 an apple 💐", [6, 11])).toEqual(["💐💐 an ", "apple", " 💐"]));
  it("never loses a letter", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.nat(20), fc.nat(20), (text, start, length) => { expect(parts(text, [start, start + length]).join("")).toBe(text); }));
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme", maxLength: 3 }), (text, word) => { expect(guessed(text, word).join("")).toBe(text); }));
  });
  it("is guessed by its letters, whatever their case and signs", () => {
    expect(guessed("So Apple said", "apple")).toEqual(["So ", "Apple", " said"]);
    expect(guessed("what is C++ [now]?", "c++ [NOW]?")).toEqual(["what is ", "C++ [now]?", ""]);
    expect(guessed("nothing here", "apple")).toEqual(["nothing here", "", ""]);
  });
});

describe("senses", () => {
  it("may be left out", () => expect(groupsOf(["", " "])).toEqual({ groups: null, why: "" }));
  it("are two or more, of two or more sentences", () => {
    expect(groupsOf(["a", "a ", "b", "b"])).toEqual({ groups: ["a", "a", "b", "b"], why: "" });
    expect(groupsOf(["a", "", "b", "b"]).why).toContain("sentence 2 has no sense");
    expect(groupsOf(["a", "a"]).why).toContain("all sentences have the sense “a”");
    expect(groupsOf(["a", "a", "b"])).toMatchObject({ groups: null, why: expect.stringContaining("the sense “b” has one sentence") });
  });
  it("stand together, in the order in which they come", () => {
    const senses = ["b", "a", "b", "a", ""];
    expect(orderOf(senses, "given")).toEqual([0, 1, 2, 3, 4]);
    expect(orderOf(senses, "sense")).toEqual([0, 2, 1, 3, 4]);
    expect(runs([0, 2, 1, 3, 4], senses)).toEqual([{ sense: "b", count: 2 }, { sense: "a", count: 2 }, { sense: "", count: 1 }]);
    expect(dividesOf([0, 2, 1, 3, 4], senses)).toEqual([2, 4]);
    expect(dividesOf([0, 1, 2, 3, 4], senses)).toEqual([]);
  });
});

describe("what is pasted", () => {
  it("becomes a sentence a line", () => expect(pasted(" one \r\n\n two\u2028three\n")).toEqual([{ sentence: "one", sense: "" }, { sentence: "two", sense: "" }, { sentence: "three", sense: "" }]));
  it("has its sense before a tab", () => expect(pasted("fruit\tan apple")).toEqual([{ sentence: "an apple", sense: "fruit" }]));
});

describe("the question", () => {
  it.each([
    ["no word 'apple' in sentence 2 ('a pear')", 1],
    ["the text number 1 is empty; there is nothing to read", 0],
    ["sentences.12: String should have at most 1000 characters", 12],
    ["sentences: Tuple should have at most 64 items after validation, not 65", null],
    ["1 sentences to compare; give a list of two or more", null],
    ["the word is empty; there is nothing to look for", null],
  ])("that is refused with “%s” has a sentence to look at", (error, at) => { expect(wrongOf(error)).toBe(at); });
  it("is about the example, or about what the link holds", () => {
    const example = { name: "apple", title: "", word: "apple", sentences: ["a", "b"], labels: ["x", "y"], needs: null };
    expect(materialOf(START, null)).toBeNull();
    expect(materialOf(START, [example])).toEqual({ word: "apple", sentences: ["a", "b"], senses: ["x", "y"] });
    expect(materialOf({ ...START, wordsExample: "", wordsWord: "w", wordsSentence: ["a", "b"], wordsSense: ["x"] }, null)).toEqual({ word: "w", sentences: ["a", "b"], senses: ["x", ""] });
  });
  it("asks for no senses where they cannot be told apart", () => expect(bodyOf({ ...material, senses: ["a", "", "", ""] }, START).groups).toBeNull());
  it("has a variant for each control", () => expect(new Set(questionsOf(material, ["a", "b"]).map((body) => JSON.stringify(body))).size).toBe(16));
  it("is asked in words", () => {
    expect(question(material, "tiny")).toBe("Does tiny tell “bank” (river) from “bank” (money)?");
    expect(question({ ...material, senses: ["", "", "", ""] }, "tiny")).toBe("How alike is “bank” in these 4 sentences to tiny?");
  });
});

describe("the answer", () => {
  it("is looked at where it is best, unless another layer is chosen", () => {
    expect(layerOf(null, answer).layer).toBe(1);
    expect(layerOf(0, answer).layer).toBe(0);
    expect(layerOf(77, answer).layer).toBe(1);
  });
  it("shows a pair of two senses first", () => {
    expect(pairOf(null, null, material.senses)).toEqual([0, 2]);
    expect(pairOf(1, 3, material.senses)).toEqual([1, 3]);
    expect(pairOf(1, 4, material.senses)).toEqual([0, 2]);
    expect(pairOf(null, null, ["", ""])).toEqual([0, 1]);
  });
  it("says whether the senses are told apart", () => {
    expect(verdict(answer)).toMatchObject({ told: true, text: expect.stringMatching(/^Yes, most clearly in layer 1: .* 0\.800 .* 0\.500\. p.=.0\.010/) });
    expect(verdict({ ...answer, p_best: 0.2 })).toMatchObject({ told: false, text: expect.stringContaining("No more than by chance") });
    const without = { ...answer, best: null, p_best: null, groups: null, layers: answer.layers.map((layer) => ({ ...layer, separation: null })) };
    expect(verdict(without)).toMatchObject({ told: null, text: expect.stringMatching(/^In the last layer, 1, the word has similarity 0\.600 .* two random words have 0\.200\./) });
    expect(meanings(without).map(([name]) => name)).not.toContain("p");
  });
  it("is a file with every number of every layer", () => {
    const rows = [...lines(shown)];
    expect(rows.every((row) => row.length === HEADER.length)).toBe(true);
    expect(rows).toHaveLength(4 + 2 * (16 + 2 + 8) + 1);
    expect(rows).toContainEqual(["cosine similarity", 1, 1, 3, "river", "money", 0.5, ""]);
    expect(rows).toContainEqual(["sentence", null, 2, null, "river", "", null, "A |bank| of the river."]);
  });
  it("is drawn with its numbers, and what is typed stays text", () => {
    const evil = { ...material, sentences: ["<script>&\" bank", ...material.sentences.slice(1)] };
    const { text } = figure({ ...shown, material: evil }, START, "Is it?", "1");
    expect(text).not.toContain("<script>");
    expect(text.match(/>0\.80</g)).toHaveLength(4);
    expect(text).toContain("one scale for all layers");
    expect(text).not.toMatch(/NaN|undefined/);
  });
});

describe("colours", () => {
  it("are spread over all layers or over each, without the diagonal", () => {
    expect(limits(answer, "shared").map(({ low, high }) => [low, high])).toEqual([[-Math.fround(0.8), Math.fround(0.8)], [-Math.fround(0.8), Math.fround(0.8)]]);
    expect(limits(answer, "each").map(({ high }) => high)).toEqual([0.5, Math.fround(0.8)]);
    expect(limits(answer, "stretched")[1]).toMatchObject({ scale: "minmax", low: 0.5, high: Math.fround(0.8) });
    expect(limits({ ...answer, metric: "euclidean" }, "shared")[0]).toMatchObject({ scale: "magnitude", low: 0 });
  });
  it("of values that nobody has are grey", () => {
    const none = { ...answer, layers: [{ layer: 0, matrix: [[null, null], [null, null]], random_words: null, anisotropy: null, separation: null }] };
    const [within] = limits(none, "shared");
    expect(within && colour(null, within)).toEqual([128, 132, 136]);
    expect(decimals([[null, null], [null, null]])).toBe(2);
  });
  it("leave the numbers on them readable", () => {
    fc.assert(fc.property(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)), (fill) => { expect(contrast(inkOn(fill), fill)).toBeGreaterThanOrEqual(4.5); }));
  });
  it("say what they mean", () => {
    const [within] = limits(answer, "shared");
    expect(within && legendNotes(within, answer, "shared")).toEqual(["red alike, blue opposed", "one scale for all layers", "grey: a sentence and itself"]);
    expect(within && legendNotes(within, answer, "each")[1]).toContain("each layer has its own scale");
  });
});

describe("numbers in cells", () => {
  it("have as many decimals as tell them apart", () => {
    expect([decimals(matrix(0.8, 0.5)), decimals(matrix(0.95, 0.94)), decimals(matrix(0.9501, 0.95))]).toEqual([2, 3, 4]);
  });
  it("are never minus zero", () => expect([cellText(-0.001, "cosine", 2), cellText(-0.01, "cosine", 2), cellText(11.234, "euclidean", 2)]).toEqual(["0.00", "-0.01", "11.2"]));
});

describe("curves", () => {
  const box = { left: 0, right: 100, top: 0, bottom: 50 };
  it("leave out what is not known, and keep zero in sight", () => {
    const drawn = plot([{ name: "a", y: [1, null, 3], low: [0.5, null, 2], high: [2, null, 4], dash: "" }], [0, 1, 2], true, box);
    expect(drawn.paths[0]?.points).toHaveLength(2);
    expect(drawn.y(0)).toBe(50);
    expect(drawn.paths[0]?.band).not.toBe("");
  });
  it("stand still before there are any", () => expect(plot([], [0, 1], false, box).ticks.length).toBeGreaterThan(1));
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  above, arrange, askedModels, answerSentence, axisName, chart, curvesOf, domains, EDGE, finding, kindOf, layersBody, layersRows, type LayersAnswer, limitsOf, marksOf, meets, notesOf,
  type ModelLayers, type PhaseEntry, Picture, piecesOf, read, ROWS, SIGNS, type Token, trustSentence, valued, widthOf, written, LETTER,
} from "../src/lib/layers";
import { START } from "../src/lib/state";
import { drawn } from "../src/views/layers/figure";

const QUESTION = "Who came?";
const PASSAGE = "The old keeper came <late>. She left.";
const token = (text: string, role: Token["role"], part: number, start: number, supporting = false): Token => ({ text, role, index: 0, supporting, part, start, end: part < 0 ? 0 : start + text.length });
const TOKENS: Token[] = [
  token("[CLS]", "special", -1, 0), token("Who", "question", 0, 0), token("came", "question", 0, 4), token("?", "question", 0, 8), token("[SEP]", "special", -1, 0),
  token("The", "answer", 1, 0, true), token("old", "answer", 1, 4, true), token("keeper", "answer", 1, 8, true), token("came", "context", 1, 15, true),
  token("late", "context", 1, 21, true), token("She", "context", 1, 28), token("left", "context", 1, 32), token("[SEP]", "special", -1, 0),
].map((one, index) => ({ ...one, index }));
const phase = (value: (number | null)[], half = 0.1, why_not: string | null = null): PhaseEntry => ({
  value, low: value.map((one) => (one === null ? null : one - half)), high: value.map((one) => (one === null ? null : one + half)), meaning: "mean cosine & more", why_not,
});
const model = (name: string, far = 1): ModelLayers => ({
  name,
  layers: [0, 1, 2].map((layer) => ({ coordinates: TOKENS.map((_, i) => [Math.cos(i) * (1 + far * layer), Math.sin(2 * i) - layer]), explained: [0.4 + layer / 10, 0.2] })),
  tokens: TOKENS,
  phases: { topics: phase([0.05, 0.2, 0.3]), attributes: phase([0.2, 0.05, 0.2]), support: phase([null, null, null], 0, "needs a fact"), answer: phase([-0.9, 0.5, 1]) },
  trustworthiness: [0.7, 0.95, null],
  neighbours: 5,
  notes: [],
});
const SIZE = { width: 500, height: 350 };

describe("the question", () => {
  it("is an example or a text of one's own, never both", () => {
    expect(layersBody(START, ["minilm"])).toEqual({ models: ["minilm"], example: "lighthouse", basis: "layer", components: 2, samples: 1000, seed: 0 });
    const own = layersBody({ ...START, layersExample: "", layersQuestion: "q", layersPassage: "p" }, ["minilm"], "shared");
    expect(own).toEqual({ models: ["minilm"], question: "q", passage: "p", basis: "shared", components: 2, samples: 1000, seed: 0 });
  });
  it("is about all models that are ready, so that showing one more asks nothing", () => {
    expect(askedModels(["a", "b", "c"], ["b"])).toEqual(["a", "b", "c"]);
    expect(askedModels(["a", "b", "c", "d", "e"], ["e", "b", "x"])).toEqual(["b", "e"]);
  });
});

describe("tokens", () => {
  it("are answer before supporting fact, and supporting fact before passage", () => {
    expect(TOKENS.map(kindOf)).toEqual(["special", "question", "question", "question", "special", "answer", "answer", "answer", "support", "support", "context", "context", "special"]);
  });
  it("are found again by their characters in another model's pieces", () => {
    const pieces = [token("[CLS]", "special", -1, 0), token("kee", "context", 1, 8), token("per", "context", 1, 11), token("[SEP]", "special", -1, 0)];
    const keeper = marksOf(TOKENS)[7] ?? null;
    expect(marksOf(pieces).map((mark) => meets(keeper, mark))).toEqual([false, true, true, false]);
    expect(meets(marksOf(TOKENS)[4] ?? null, marksOf(pieces)[3] ?? { part: 0, start: 0, end: 0 })).toBe(true);
    expect(meets(null, { part: 0, start: 0, end: 1 })).toBe(false);
  });
  it("stay in a link", () => {
    for (const mark of marksOf(TOKENS)) expect(read(written(mark))).toEqual(mark);
    for (const nonsense of ["", "1:2", "2:0:1", "1:-1:3", "1:1:99999999", "x"]) expect(read(nonsense)).toBeNull();
  });
  it("cut the text, and nothing of it is lost", () => {
    for (const [part, text] of [QUESTION, PASSAGE].entries()) expect(piecesOf(text, part, TOKENS).map((piece) => piece.text).join("")).toBe(text);
    expect(piecesOf(PASSAGE, 1, TOKENS).slice(0, 6)).toEqual([
      { text: "The", token: 5, kind: "answer" }, { text: " ", token: null, kind: "answer" }, { text: "old", token: 6, kind: "answer" },
      { text: " ", token: null, kind: "answer" }, { text: "keeper", token: 7, kind: "answer" }, { text: " ", token: null, kind: null },
    ]);
    expect(piecesOf("", 1, TOKENS)).toEqual([]);
    expect(piecesOf("no tokens yet", 1, [])).toEqual([{ text: "no tokens yet", token: null, kind: null }]);
  });
  it("that share characters, as bytes of an emoji do, are cut once", () => {
    const bytes = [token("💐", "context", 1, 0), token("💐", "context", 1, 0)];
    expect(piecesOf("💐!", 1, bytes)).toEqual([{ text: "💐", token: 0, kind: "context" }, { text: "!", token: null, kind: null }]);
  });
  it("that overlap are cut where the first ends", () => {
    const over = [token("ab", "context", 1, 0), token("bc", "context", 1, 1)];
    expect(piecesOf("abc", 1, over).map((piece) => piece.text)).toEqual(["ab", "c"]);
  });
  it("have each a shape of its own", () => expect(new Set(Object.values(SIGNS).map(({ shape }) => shape)).size).toBe(5));
});

describe("a picture", () => {
  const picture = new Picture(model("one"), "layer", SIZE);
  it("has one unit a pixel on both axes and all points inside", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.double({ min: -50, max: 50, noNaN: true }), fc.double({ min: -50, max: 50, noNaN: true })), { minLength: 1 }), (points) => {
      const { x, y } = limitsOf(points, { width: 300, height: 200 });
      expect((x[1] - x[0]) / 300).toBeCloseTo((y[1] - y[0]) / 200, 9);
      for (const [across, up] of points) {
        expect(across >= x[0] - 1e-9 && across <= x[1] + 1e-9).toBe(true);
        expect(up >= y[0] - 1e-9 && up <= y[1] + 1e-9).toBe(true);
      }
    }));
  });
  it("keeps distances within a layer", () => {
    const dots = picture.dots(1);
    const points = model("one").layers[1]?.coordinates ?? [];
    const ratio = (a: number, b: number) => Math.hypot((dots[a]?.x ?? 0) - (dots[b]?.x ?? 0), (dots[a]?.y ?? 0) - (dots[b]?.y ?? 0)) / Math.hypot((points[a]?.[0] ?? 0) - (points[b]?.[0] ?? 0), (points[a]?.[1] ?? 0) - (points[b]?.[1] ?? 0));
    expect(ratio(0, 5)).toBeCloseTo(ratio(3, 9), 9);
  });
  it("moves without a jump from layer to layer and stays within", () => {
    let before = picture.dots(0);
    for (let at = 0.02; at <= 2.0001; at += 0.02) {
      const now = picture.dots(at);
      now.forEach((dot, i) => {
        expect(Math.hypot(dot.x - (before[i]?.x ?? 0), dot.y - (before[i]?.y ?? 0))).toBeLessThan(12);
        expect(dot.x).toBeGreaterThanOrEqual(EDGE.left);
        expect(dot.x).toBeLessThanOrEqual(SIZE.width - EDGE.right);
      });
      before = now;
    }
  });
  it("of all layers together has the same scale everywhere, and ways through the layers", () => {
    const shared = new Picture(model("one"), "shared", SIZE);
    expect(shared.ticks(0)).toEqual(shared.ticks(2));
    expect(picture.ticks(0)).not.toEqual(picture.ticks(2));
    const { x, y } = shared.dots(1)[3] ?? {};
    expect(shared.path(3)[1]).toEqual({ x, y });
    expect(picture.path(3)).toEqual([]);
  });
  it("draws the answer last, on top", () => expect(picture.order.slice(-3).map((i) => picture.kinds[i])).toEqual(["answer", "answer", "answer"]));
  it("finds the token that is pointed at, or none", () => {
    const { x = 0, y = 0 } = picture.dots(2)[7] ?? {};
    expect(picture.nearest(2, x + 2, y)).toBe(7);
    expect(picture.nearest(2, -500, -500)).toBeNull();
  });
  it("writes words that lie on no other, the answer's first", () => {
    const many = new Picture({ ...model("many"), layers: model("many").layers.map((layer) => ({ ...layer, coordinates: layer.coordinates.map(([x = 0, y = 0]) => [x / 20, y / 20]).concat([[40, 40]]) })), tokens: [...TOKENS, token("far", "context", 1, 0)] }, "layer", SIZE);
    for (const one of [picture, many]) {
      const labels = one.labels(1, "all");
      const boxes = labels.map(({ x, y, text }) => ({ left: x - widthOf(text) / 2, right: x + widthOf(text) / 2, top: y - LETTER / 2, bottom: y + LETTER / 2 }));
      boxes.forEach((a, i) => boxes.forEach((b, j) => expect(i === j || a.left >= b.right || b.left >= a.right || a.top >= b.bottom || b.top >= a.bottom).toBe(true)));
      expect(labels.filter(({ kind }) => kind === "answer")).toHaveLength(3);
      expect(one.labels(1, "key").every(({ kind }) => kind === "answer" || kind === "question")).toBe(true);
      expect(one.labels(1, "hover")).toEqual([]);
      expect(labels.every(({ opacity }) => opacity === 1)).toBe(true);
      expect(labels.length + one.hidden(1, "all")).toBe(one.kinds.length - 1); // all but the question mark
    }
  });
  it("writes only words that have room at the layer it stands at", () => {
    const words = TOKENS.filter(({ role }) => role === "context");
    const crowded = { ...model("crowded"), tokens: words, layers: [{ coordinates: words.map(() => [0, 0]), explained: [] }, { coordinates: words.map((_, i) => [10 * i, 20 * (i % 2)]), explained: [] }] };
    const drawing = new Picture(crowded, "shared", SIZE);
    expect(drawing.labels(0, "all").every(({ opacity }) => opacity === 1)).toBe(true);
    expect(drawing.labels(0, "all").length).toBeLessThan(words.length);
    expect(drawing.labels(1, "all")).toHaveLength(words.length);
    expect(drawing.labels(0.5, "all")).toHaveLength(words.length);
  });
  it("covers no answer with a word, even where the question's covers the passage", () => {
    const dots = Array.from({ length: 1500 }, (_, i) => ({ token: i, kind: "context" as const, x: 6 * (i % 50) + 50, y: 6 * Math.floor(i / 50) + 10 }));
    const asked = { token: 1500, kind: "question" as const, x: 200, y: 100 };
    const said = { token: 1501, kind: "answer" as const, x: 225, y: 100 };
    const place = arrange([...dots, asked, said], [{ token: 1500, text: "lamp" }, { token: 3, text: "a" }], { width: 400, height: 250 });
    expect(place[3]).toBeNull();
    const [x, y] = [200 + (place[1500]?.dx ?? 25), 100 + (place[1500]?.dy ?? 0)];
    expect(Math.abs(x - 225) >= widthOf("lamp") / 2 + SIGNS.answer.radius || Math.abs(y - 100) >= LETTER / 2 + SIGNS.answer.radius).toBe(true);
  });
  it("lets words move and fade between two layers", () => {
    const [from, to] = [picture.labels(0, "all"), picture.labels(1, "all")];
    for (const label of picture.labels(0.5, "all")) {
      const known = [from, to].filter((labels) => labels.some(({ token: one }) => one === label.token)).length;
      expect(label.opacity).toBe(known / 2);
    }
  });
  it("of one token has a scale too", () => {
    const one = new Picture({ ...model("one"), tokens: TOKENS.slice(0, 1), layers: [{ coordinates: [[3, 3]], explained: [0, 0] }] }, "layer", SIZE);
    const [dot] = one.dots(0);
    expect([dot?.x, dot?.y].every(Number.isFinite)).toBe(true);
    expect(arrange([], [{ token: 0, text: "x" }], SIZE)).toEqual([]);
  });
});

describe("phases", () => {
  const models = [model("minilm"), model("minilm-qa")];
  it("share an axis where they share a measure", () => {
    const axes = domains(models);
    expect(axes.topics).toBe(axes.support);
    expect(axes.topics[0]).toBeCloseTo(-0.05);
    expect(axes.answer[1]).toBeCloseTo(1.1);
  });
  it("keep each model's line whatever is shown beside it", () => {
    const known = ["minilm", "minilm-mlm", "minilm-qa"];
    expect(curvesOf(models, known, "answer").map(({ look }) => look)).toEqual([0, 2]);
    expect(curvesOf(models.slice(1), known, "answer").map(({ look }) => look)).toEqual([2]);
  });
  it("have a gap where there is no value, and names that do not lie on each other", () => {
    const size = { width: 300, height: 190 };
    const { lines } = chart(curvesOf(models, [], "topics"), [-1, 1], 2, size);
    const [a, b] = lines.map(({ end }) => end?.text ?? 0).sort((one, other) => one - other);
    expect((b ?? 0) - (a ?? 0)).toBeGreaterThanOrEqual(13);
    const gap = chart([{ name: "x", look: 0, entry: phase([0.1, null, 0.3]) }], [-1, 1], 2, size).lines[0];
    expect(gap?.path.match(/M/g)).toHaveLength(2);
    expect(gap?.dots).toHaveLength(2);
    const none = chart(curvesOf(models, [], "support"), [0, 0], 2, size).lines[0];
    expect([none?.path, none?.band, none?.end]).toEqual(["", "", null]);
  });
  it("say where their band lies above zero", () => {
    expect(above(phase([0.2, 0.05, 0.2, 0.3]))).toEqual([[0, 0], [2, 3]]);
    expect(finding("m", phase([0.2, 0.05, 0.2, 0.3]))).toBe("m at layer 0 and from layer 2 on");
    expect(finding("m", phase([0.2, 0.3]))).toBe("m at every layer");
    expect(finding("m", phase([0, 0.3, 0.4, 0]))).toBe("m at layers 1 to 2");
    expect(finding("m", phase([0, 0]))).toBe("m nowhere");
    expect(finding("m", { ...phase([1, 1]), low: [null, null] })).toBe("m has no band, there is too little to resample");
  });
  it("are written with their band", () => {
    expect(valued(phase([-0.901]), 0)).toBe("−0.90 (−1.00 to −0.80)");
    expect(valued(phase([-0.001], 0), 0)).toBe("0.00 (0.00 to 0.00)");
    expect(valued(phase([null]), 0)).toBe("–");
  });
});

const ANSWER: LayersAnswer = { question: QUESTION, passage: PASSAGE, basis: "layer", answer: { text: "The old keeper", start: 0, end: 14 }, answer_from: "minilm-qa", models: [model("minilm"), model("minilm-qa", 3)] };

it("what is noted of the models that are shown is said, and once", () => {
  const notes = ["the vocabulary of minilm has no piece for '🐱'", "the vocabulary of minilm-qa has no piece for '🐱'", "the text is long"] as const;
  const [one, other] = [{ ...model("minilm"), notes: [notes[0], notes[2]] }, { ...model("minilm-qa"), notes: [notes[1], notes[2]] }];
  expect(notesOf([one])).toEqual([notes[0], notes[2]]);
  expect(notesOf([other, one])).toEqual([notes[1], notes[2], notes[0]]);
});

describe("words", () => {
  it("say what a number means", () => {
    expect(trustSentence(0.95, 5)).toBe("Marks that lie near each other here are nearly always near in all dimensions too (of 1, by the 5 nearest of each).");
    expect(trustSentence(0.7, 5)).toContain("often far apart");
    expect(trustSentence(null, 0)).toContain("too short");
    expect(axisName(1, 0.121)).toBe("axis 1: 12 % of this layer’s variance");
    expect(axisName(2, undefined)).toBe("axis 2: 0 % of this layer’s variance");
  });
  it("say where the answer is from", () => {
    expect(answerSentence(ANSWER)).toBe("minilm-qa answers this, and it is marked for every model.");
    expect(answerSentence({ ...ANSWER, answer_from: "the example (minilm has no question-answering head; minilm-qa finds no answer)" })).toBe("Marked is the example’s own answer, since no model here gives one (minilm-qa finds no answer).");
    expect(answerSentence({ ...ANSWER, answer: null, answer_from: "minilm-qa finds no answer" })).toBe("No answer is marked: minilm-qa finds no answer.");
    expect(answerSentence({ ...ANSWER, answer: null, answer_from: "minilm has no question-answering head; minilm-mlm has no question-answering head; minilm-qa finds no answer" })).toBe("No answer is marked: minilm-qa finds no answer.");
    expect(answerSentence({ ...ANSWER, answer: null, answer_from: "minilm has no question-answering head" })).toBe("No answer is marked: minilm has no question-answering head.");
    expect(answerSentence(null)).toBe("");
  });
});

describe("exports", () => {
  it("hold every number", () => {
    const rows = [...layersRows(ANSWER.models, "layer")];
    expect(rows).toHaveLength(2 * 3 * (1 + TOKENS.length + 4));
    expect(rows.every((row) => row.length === ROWS.length)).toBe(true);
    const at = (name: (typeof ROWS)[number]) => ROWS.indexOf(name);
    const keeper = rows.find((row) => row[at("model")] === "minilm-qa" && row[at("layer")] === 2 && row[at("text")] === "keeper");
    expect([keeper?.[at("axis_1")], keeper?.[at("axis_2")]]).toEqual(ANSWER.models[1]?.layers[2]?.coordinates[7]);
    expect(keeper?.[at("role")]).toBe("answer");
  });
  it.each(["layer", "shared"] as const)("draw the view as vectors (%s)", (basis) => {
    const { text, width, height } = drawn({ ...ANSWER, basis }, ANSWER.models, { layer: 2, words: "all", known: ["minilm", "minilm-qa"], version: "1.2", pinned: marksOf(TOKENS)[7] ?? null });
    expect(text).not.toContain("NaN");
    expect(text).not.toContain("undefined");
    expect(text).not.toContain("<image");
    for (const said of ["minilm, layer 2", "minilm-qa, layer 2", "Trustworthiness unknown", "axis 1: 60 % of this layer’s variance", "&lt;late&gt;", "mean cosine &amp; more", "Pellucid 1.2", "The question meets its"]) expect(text).toContain(said);
    expect(text.match(new RegExp(SIGNS.answer.shape, "g"))).toHaveLength(1 + 2 * 3);
    expect(text.match(/<circle[^>]*fill="none"/g)).toHaveLength(2);
    expect(text.includes("<polyline")).toBe(basis === "shared");
    expect(width).toBe(1200);
    expect(height).toBeGreaterThan(700);
  });
});

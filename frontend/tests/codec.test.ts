import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromQuery, START, type State, toQuery, VIEWS, worthAStep } from "../src/lib/state";
import { attention } from "./states/attention";
import { corpus } from "./states/corpus";
import { course } from "./states/course";
import { layers } from "./states/layers";
import { real, text } from "./states/values";
import { words } from "./states/words";

// JSON does not tell -0 from 0, and no option means it to
const option = fc.oneof(text, fc.boolean(), real.map((value) => (value === 0 ? 0 : value)));
const named = fc.record({ name: text, options: fc.dictionary(text.filter((key) => key !== "__proto__"), option, { noNullPrototype: true }) });
const maybe = fc.option(real);
const ofImages = fc.record({
  view: fc.constantFrom(...VIEWS),
  model: text,
  image: fc.array(text),
  target: maybe,
  against: maybe,
  method: fc.array(named),
  mode: fc.constantFrom("overlay", "map", "photo"),
  strength: real,
  threshold: real,
  sign: fc.constantFrom("both", "positive", "negative"),
  channel: fc.constantFrom("folded", "red", "green", "blue"),
  scale: fc.constantFrom("each", "shared"),
  panel: fc.constantFrom("none", "baselines", "superpixels"),
  strongest: real,
  action: fc.constantFrom("keep", "remove"),
  layer: text,
  page: real,
  filter: maybe,
  seeds: real,
  ascent: named,
});
const state: fc.Arbitrary<State> = fc.tuple(ofImages, attention, corpus, course, layers, words).map((parts) => Object.assign({}, ...parts) as State);

describe("a link", () => {
  it("holds any state without loss", () => {
    fc.assert(fc.property(state, (given) => {
      const { state: found, unread } = fromQuery(toQuery(given));
      expect(found).toEqual(given);
      expect(unread).toEqual([]);
    }), { numRuns: 500 });
  });
  it("survives being an address", () => {
    fc.assert(fc.property(state, (given) => {
      const address = new URL(`http://127.0.0.1/?${toQuery(given)}`);
      expect(fromQuery(address.search.slice(1)).state).toEqual(given);
    }));
  });
  it("is empty for the start", () => expect(toQuery(START)).toBe(""));
  it.each([
    ["zero", { target: 0, threshold: 0, filter: 0 }],
    ["false", { method: [{ name: "integrated_gradients", options: { multiply: false } }] }],
    ["nothing chosen", { image: [], method: [] }],
    ["signs that end a query", { image: ["a&b=c#d?e", "💐"], layer: "x&y" }],
  ])("keeps %s", (_, part) => {
    const given = { ...START, ...part } as State;
    expect(fromQuery(toQuery(given)).state).toEqual(given);
  });
  it("says what it cannot read and goes on with the rest", () => {
    const { state: found, unread } = fromQuery("view=kitchen&strength=much&mode=map&method=lime:{");
    expect(found).toEqual({ ...START, mode: "map" });
    expect(unread).toEqual(["view=kitchen", "method=lime:{", "strength=much"]);
  });
  it("stays readable", () => {
    const given: State = { ...START, image: ["observation:3"], method: [{ name: "lime", options: {} }, { name: "saliency", options: {} }] };
    expect(toQuery(given)).toBe("image=observation:3&method=lime&method=saliency");
  });
});

it("a slider makes no step in the history, a picture does", () => {
  expect(worthAStep(START, { ...START, strength: 0.3, threshold: 0.5, mode: "map" })).toBe(false);
  expect(worthAStep(START, { ...START, image: ["observation:1"] })).toBe(true);
});

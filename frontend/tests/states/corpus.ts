import fc from "fast-check";
import { type CorpusState, ORDERS, TAGS } from "../../src/lib/states/corpus";
import { real, text } from "./values";

export const corpus: fc.Arbitrary<CorpusState> = fc.record({
  corpusName: text,
  corpusText: text,
  corpusToken: fc.option(real),
  corpusLayer: fc.option(real),
  corpusBy: fc.constantFrom("hidden", "heads"),
  corpusHeads: fc.option(fc.array(real)),
  corpusHits: real,
  corpusOrder: fc.constantFrom(...ORDERS),
  corpusTag: fc.constantFrom(...TAGS),
  corpusSides: real,
  corpusBuild: fc.boolean(),
});

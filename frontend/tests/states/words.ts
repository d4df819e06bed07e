import fc from "fast-check";
import type { WordsState } from "../../src/lib/states/words";
import { real, text } from "./values";

export const words: fc.Arbitrary<WordsState> = fc.record({
  wordsExample: text,
  wordsWord: text,
  wordsSentence: fc.array(text),
  wordsSense: fc.array(text),
  wordsModel: text,
  wordsMetric: fc.constantFrom("cosine", "euclidean"),
  wordsCorrection: fc.constantFrom("none", "centred", "standardised", "all_but_the_top"),
  wordsScale: fc.constantFrom("shared", "each", "stretched"),
  wordsOrder: fc.constantFrom("given", "sense"),
  wordsLayer: fc.option(real),
  wordsRow: fc.option(real),
  wordsColumn: fc.option(real),
});

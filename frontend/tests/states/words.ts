import fc from "fast-check";
import type { WordsState } from "../../src/lib/states/words";
import { text } from "./values";

export const words: fc.Arbitrary<WordsState> = fc.record({ wordsText: text });

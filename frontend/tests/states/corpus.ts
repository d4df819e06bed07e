import fc from "fast-check";
import type { CorpusState } from "../../src/lib/states/corpus";
import { text } from "./values";

export const corpus: fc.Arbitrary<CorpusState> = fc.record({ corpusText: text });

/** What a link to the Words room holds. Keys are shared with the other rooms' in one query, so each has a name of its own. */
import { choice, type Codecs, list, maybe, real, text } from "../codec";

export interface WordsState {
  /** The name of a worked example; "" for the word and sentences of the link. */
  readonly wordsExample: string;
  readonly wordsWord: string;
  readonly wordsSentence: readonly string[];
  /** One a sentence; empty ones where senses are not told apart. */
  readonly wordsSense: readonly string[];
  readonly wordsModel: string;
  readonly wordsMetric: "cosine" | "euclidean";
  readonly wordsCorrection: "none" | "centred" | "standardised" | "all_but_the_top";
  readonly wordsScale: "shared" | "each" | "stretched";
  readonly wordsOrder: "given" | "sense";
  /** null: the best one or, without senses, the last. */
  readonly wordsLayer: number | null;
  /** The two sentences of the chosen cell, from 0 in the order in which they were given. */
  readonly wordsRow: number | null;
  readonly wordsColumn: number | null;
}

export const START: WordsState = {
  wordsExample: "apple",
  wordsWord: "",
  wordsSentence: [],
  wordsSense: [],
  wordsModel: "minilm",
  wordsMetric: "cosine",
  wordsCorrection: "none",
  wordsScale: "shared",
  wordsOrder: "given",
  wordsLayer: null,
  wordsRow: null,
  wordsColumn: null,
};

export const CODECS: Codecs<WordsState> = {
  wordsExample: text,
  wordsWord: text,
  wordsSentence: list(text),
  wordsSense: list(text),
  wordsModel: text,
  wordsMetric: choice("cosine", "euclidean"),
  wordsCorrection: choice("none", "centred", "standardised", "all_but_the_top"),
  wordsScale: choice("shared", "each", "stretched"),
  wordsOrder: choice("given", "sense"),
  wordsLayer: maybe(real),
  wordsRow: maybe(real),
  wordsColumn: maybe(real),
};

/** Changes of these deserve a step back in the browser's history. */
export const STEPS: readonly (keyof WordsState)[] = ["wordsExample", "wordsWord", "wordsSentence", "wordsSense", "wordsModel", "wordsMetric", "wordsCorrection"];

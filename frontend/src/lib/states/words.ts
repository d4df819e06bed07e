/** What a link to the Words room holds. Keys are shared with the other rooms' in one query, so each has a name of its own. */
import { type Codecs, text } from "../codec";

export interface WordsState {
  readonly wordsText: string;
}

export const START: WordsState = { wordsText: "" };

export const CODECS: Codecs<WordsState> = { wordsText: text };

/** Changes of these deserve a step back in the browser's history. */
export const STEPS: readonly (keyof WordsState)[] = ["wordsText"];

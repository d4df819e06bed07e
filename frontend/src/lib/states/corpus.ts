/** What a link to the Corpus room holds. Keys are shared with the other rooms' in one query, so each has a name of its own. */
import { type Codecs, text } from "../codec";

export interface CorpusState {
  readonly corpusText: string;
}

export const START: CorpusState = { corpusText: "" };

export const CODECS: Codecs<CorpusState> = { corpusText: text };

/** Changes of these deserve a step back in the browser's history. */
export const STEPS: readonly (keyof CorpusState)[] = ["corpusText"];

/** What a link to the Corpus room holds. Keys are shared with the other rooms' in one query, so each has a name of its own. */
import { choice, type Codecs, list, maybe, real, text, truth } from "../codec";

export const TAGS = ["pos", "dep", "ent"] as const;
export const ORDERS = ["similarity", "text", "match", "tag"] as const;

export interface CorpusState {
  /** Empty for the first that can be searched. */
  readonly corpusName: string;
  readonly corpusText: string;
  /** null for one that is proposed. */
  readonly corpusToken: number | null;
  /** null for one that is proposed. */
  readonly corpusLayer: number | null;
  readonly corpusBy: "hidden" | "heads";
  /** null for all of them. */
  readonly corpusHeads: readonly number[] | null;
  readonly corpusHits: number;
  readonly corpusOrder: (typeof ORDERS)[number];
  readonly corpusTag: (typeof TAGS)[number];
  /** Columns of tags on either side of the match. */
  readonly corpusSides: number;
  /** Whether the form for building one is open. */
  readonly corpusBuild: boolean;
}

export const START: CorpusState = {
  corpusName: "",
  // one word in two uses: what follows the second is what a preposition is followed by
  corpusText: "I like him, but he is not like his brother.",
  corpusToken: 9,
  corpusLayer: null,
  corpusBy: "hidden",
  corpusHeads: null,
  corpusHits: 50,
  corpusOrder: "similarity",
  corpusTag: "pos",
  corpusSides: 1,
  corpusBuild: false,
};

export const CODECS: Codecs<CorpusState> = {
  corpusName: text,
  corpusText: text,
  corpusToken: maybe(real),
  corpusLayer: maybe(real),
  corpusBy: choice("hidden", "heads"),
  corpusHeads: maybe(list(real)),
  corpusHits: real,
  corpusOrder: choice(...ORDERS),
  corpusTag: choice(...TAGS),
  corpusSides: real,
  corpusBuild: truth,
};

/** Changes of these deserve a step back in the browser's history: a hit that became the query is one. */
export const STEPS: readonly (keyof CorpusState)[] = ["corpusName", "corpusText", "corpusToken"];

/** What a link to the Attention room holds. Keys are shared with the other rooms' in one query, so each has a name of its own. */
import { choice, type Codecs, list, maybe, real, text, truth } from "../codec";

export const TOOLS = ["glance", "statistics", "effect", "tokens"] as const;
export const STATISTICS = ["entropy", "distance", "next", "previous", "same", "special"] as const;

export interface AttentionState {
  readonly attentionText: string;
  /** Empty where there is no second text. */
  readonly attentionPair: string;
  readonly attentionEncoder: string;
  /** Characters that are hidden from the encoder, as `spelt` writes them: they mean the same to any tokenizer. */
  readonly attentionMasked: readonly string[];
  /** `from:5` or `to:5`, a wordpiece by its number; empty where none is locked. */
  readonly attentionLock: string;
  /** Whether the effect of heads was asked for. */
  readonly attentionEffect: boolean;
  /** Whether the scores of tokens were asked for. */
  readonly attentionScores: boolean;
  /** The class or number that the scores are about; empty for what the encoder answers. */
  readonly attentionTarget: string;
  readonly attentionBeside: boolean;
  readonly attentionText2: string;
  readonly attentionPair2: string;
  readonly attentionEncoder2: string;
  readonly attentionMasked2: readonly string[];
  readonly attentionLock2: string;
  readonly attentionEffect2: boolean;
  readonly attentionScores2: boolean;
  readonly attentionTarget2: string;
  readonly attentionLayer: number;
  /** null for all. */
  readonly attentionHeads: readonly number[] | null;
  /** Per cent of each query's attention that the arcs carry together. */
  readonly attentionMass: number;
  readonly attentionHide: boolean;
  readonly attentionWords: boolean;
  readonly attentionTool: (typeof TOOLS)[number];
  readonly attentionStatistic: (typeof STATISTICS)[number];
}

export const START: AttentionState = {
  attentionText: "The trophy did not fit in the suitcase because it was too big.",
  attentionPair: "",
  attentionEncoder: "minilm-mlm",
  attentionMasked: [],
  attentionLock: "",
  attentionEffect: false,
  attentionScores: false,
  attentionTarget: "",
  attentionBeside: false,
  attentionText2: "",
  attentionPair2: "",
  attentionEncoder2: "minilm",
  attentionMasked2: [],
  attentionLock2: "",
  attentionEffect2: false,
  attentionScores2: false,
  attentionTarget2: "",
  attentionLayer: 3,
  attentionHeads: null,
  attentionMass: 50,
  attentionHide: true,
  attentionWords: false,
  attentionTool: "glance",
  attentionStatistic: "entropy",
};

export const CODECS: Codecs<AttentionState> = {
  attentionText: text,
  attentionPair: text,
  attentionEncoder: text,
  attentionMasked: list(text),
  attentionLock: text,
  attentionEffect: truth,
  attentionScores: truth,
  attentionTarget: text,
  attentionBeside: truth,
  attentionText2: text,
  attentionPair2: text,
  attentionEncoder2: text,
  attentionMasked2: list(text),
  attentionLock2: text,
  attentionEffect2: truth,
  attentionScores2: truth,
  attentionTarget2: text,
  attentionLayer: real,
  attentionHeads: maybe(list(real)),
  attentionMass: real,
  attentionHide: truth,
  attentionWords: truth,
  attentionTool: choice(...TOOLS),
  attentionStatistic: choice(...STATISTICS),
};

/** Changes of these deserve a step back in the browser's history. */
export const STEPS: readonly (keyof AttentionState)[] = [
  "attentionText", "attentionPair", "attentionEncoder", "attentionMasked", "attentionBeside", "attentionText2", "attentionPair2",
  "attentionEncoder2", "attentionMasked2", "attentionLayer",
];

/** What a link to the Attention room holds. Keys are shared with the other rooms' in one query, so each has a name of its own. */
import { type Codecs, text } from "../codec";

export interface AttentionState {
  readonly attentionText: string;
}

export const START: AttentionState = { attentionText: "" };

export const CODECS: Codecs<AttentionState> = { attentionText: text };

/** Changes of these deserve a step back in the browser's history. */
export const STEPS: readonly (keyof AttentionState)[] = ["attentionText"];

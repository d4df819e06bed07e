/** What a link to the Layers room holds. Keys are shared with the other rooms' in one query, so each has a name of its own. */
import { type Codecs, text } from "../codec";

export interface LayersState {
  readonly layersText: string;
}

export const START: LayersState = { layersText: "" };

export const CODECS: Codecs<LayersState> = { layersText: text };

/** Changes of these deserve a step back in the browser's history. */
export const STEPS: readonly (keyof LayersState)[] = ["layersText"];

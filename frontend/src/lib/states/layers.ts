/** What a link to the Layers room holds. Keys are shared with the other rooms' in one query, so each has a name of its own. */
import { choice, type Codecs, list, maybe, real, text } from "../codec";

export interface LayersState {
  /** The worked example; "" for a question and passage of one's own. */
  readonly layersExample: string;
  readonly layersQuestion: string;
  readonly layersPassage: string;
  readonly layersModels: readonly string[];
  /** null for the last. */
  readonly layersAt: number | null;
  readonly layersBasis: "layer" | "shared";
  /** Which tokens have their word beside them. */
  readonly layersWords: "all" | "key" | "hover";
  /** A token that stays highlighted, as `written` writes it; "" for none. */
  readonly layersPinned: string;
}

export const START: LayersState = {
  layersExample: "lighthouse",
  layersQuestion: "",
  layersPassage: "",
  layersModels: ["minilm", "minilm-qa"],
  layersAt: null,
  layersBasis: "layer",
  layersWords: "all",
  layersPinned: "",
};

export const CODECS: Codecs<LayersState> = {
  layersExample: text,
  layersQuestion: text,
  layersPassage: text,
  layersModels: list(text),
  layersAt: maybe(real),
  layersBasis: choice("layer", "shared"),
  layersWords: choice("all", "key", "hover"),
  layersPinned: text,
};

/** Changes of these deserve a step back in the browser's history. */
export const STEPS: readonly (keyof LayersState)[] = ["layersExample", "layersQuestion", "layersPassage", "layersModels"];

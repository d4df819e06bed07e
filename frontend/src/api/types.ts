/** What the server says, by the names that the rest of the lab uses; `schema.d.ts` is made from its OpenAPI (`npm run types`). */
import type { Options, OptionsSchema } from "../lib/schema";
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Model = Schemas["ModelEntry"];
export type Preset = Schemas["PresetEntry"];
export type Observation = Schemas["ObservationEntry"];
export type Layer = Schemas["LayerEntry"];
export type LayerThumbnail = Schemas["LayerThumbnail"];
export type Prediction = Schemas["PredictionEntry"];
export type Upload = Schemas["Picture"];
export type Work = Schemas["WorkDone"];
export type SentMap = Schemas["Map"];
export type FiltersStep = Schemas["FiltersStep"];
export type Evidence = Schemas["EvidenceEntry"];
export type Firing = Schemas["Firing"];

/** OpenAPI says of the options no more than that they are a JSON schema. */
export type Method = Omit<Schemas["MethodEntry"], "options"> & { readonly options: OptionsSchema };
export type Catalog = Omit<Schemas["Catalog"], "methods" | "filters"> & { readonly methods: readonly Method[]; readonly filters: Method };

/** A number for each image, under the name that the method gave it. */
type PerImage = readonly (number | null)[] | null;
export type ExplainStep = Omit<Schemas["ExplainStep"], "extras"> & {
  readonly extras: Partial<Schemas["Extras"]> & {
    readonly fit?: PerImage;
    readonly completeness_gap?: PerImage;
    readonly change?: PerImage;
  };
};

export type Examples = Schemas["TextExamples"];
export type CorpusEntry = Schemas["CorpusEntry"];
export type SearchBody = Schemas["SearchBody"];
export type SearchAnswer = Schemas["SearchAnswer"];
export type CorpusBody = Schemas["CorpusBody"];
export type CorpusStep = Schemas["CorpusStep"];

/** What can be asked about texts, by the path under /api/text/. */
export interface Questions {
  tokens: [Schemas["TextBody"], Schemas["TokensAnswer"]];
  attention: [Schemas["AttentionBody"], Schemas["AttentionAnswer"]];
  "attention/overview": [Schemas["OverviewBody"], Schemas["OverviewAnswer"]];
  effect: [Schemas["MaskedBody"], Schemas["EffectAnswer"]];
  "token-scores": [Schemas["TokenScoresBody"], Schemas["TokenScoresAnswer"]];
  answer: [Schemas["AnswerBody"], Schemas["AnswerAnswer"]];
  layers: [Schemas["LayersBody"], Schemas["LayersAnswer"]];
  compare: [Schemas["CompareBody"], Schemas["CompareAnswer"]];
}

export interface Predicted {
  readonly predictions: readonly Prediction[];
  readonly picture?: string | null;
}

export interface PredictBody {
  readonly model: string;
  readonly source: string;
  readonly top?: number;
  readonly segments?: string;
  readonly shown?: readonly number[];
  readonly hide?: string;
}

export interface ExplainBody {
  readonly kind: "explain";
  readonly request: {
    readonly model: string;
    readonly source: readonly string[];
    readonly target: readonly number[] | null;
    readonly against: number | null;
    readonly method: string;
    readonly options: Options;
    readonly seed: number | null;
  };
  /** A named set of options, which then brings how it is drawn too. */
  readonly preset?: string;
  readonly trust: boolean;
}

export interface FiltersBody {
  readonly kind: "filters";
  readonly model: string;
  readonly layer: string;
  readonly filters: readonly number[];
  readonly options: Options;
  readonly preset?: string;
  /** A picture to see where they fire. */
  readonly on?: string;
}

export type JobBody = ExplainBody | FiltersBody | CorpusBody;

export interface Scores {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: string;
}

/** How far a job is, as a person sees it. */
export type Phase = "asking" | "waiting" | "queued" | "running" | "weighing" | "done" | "cancelled" | "failed" | "absent";

export interface JobView<Step = ExplainStep | FiltersStep | CorpusStep> {
  readonly phase: Phase;
  readonly id: string | null;
  readonly position: number | null;
  readonly step: Step | null;
  readonly evidence: readonly Evidence[] | null;
  readonly firing: Firing | null;
  /** What the library warned of. */
  readonly note: string;
  /** What went wrong, or why it waits. */
  readonly message: string;
}

export const NOTHING: JobView<never> = { phase: "asking", id: null, position: null, step: null, evidence: null, firing: null, note: "", message: "" };

export const going = (phase: Phase): boolean => ["asking", "waiting", "queued", "running", "weighing"].includes(phase);

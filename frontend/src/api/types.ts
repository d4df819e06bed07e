/** What the server says, by the names that the rest of the lab uses. */
import type { Scale } from "../lib/colours";
import type { Options, OptionsSchema, OptionValue } from "../lib/schema";

export interface Model {
  readonly name: string;
  readonly kind: "image" | "text";
  readonly summary: string;
  readonly ready: boolean;
  readonly why_not?: string | null;
  readonly size?: readonly number[] | null;
  readonly classes?: number | null;
  readonly default_layer?: string | null;
}

export interface Preset {
  readonly options: Options;
  readonly view: Readonly<Record<string, OptionValue>>;
  readonly description: string;
}

export interface Method {
  readonly name: string;
  readonly summary: string;
  readonly paper: string | null;
  readonly options: OptionsSchema;
  readonly presets: Readonly<Record<string, Preset>>;
}

export interface Observation {
  readonly source: string;
  readonly name: string;
  readonly title: string;
}

export interface Catalog {
  readonly version: string;
  readonly models: readonly Model[];
  readonly methods: readonly Method[];
  readonly filters: Method;
  readonly observations: readonly Observation[];
  readonly limits: { readonly upload_bytes: number; readonly upload_pixels: number };
}

export interface Layer {
  readonly name: string;
  readonly kind: string;
  readonly shape: readonly number[];
  readonly calls: number;
}

export interface Prediction {
  readonly index: number;
  readonly label: string;
  readonly probability: number;
  readonly logit: number;
}

export interface Predicted {
  readonly predictions: readonly Prediction[];
  readonly wanted?: readonly Prediction[] | null;
  readonly picture?: string | null;
}

export interface PredictBody {
  readonly model: string;
  readonly source: string;
  readonly top?: number;
  readonly wanted?: readonly number[];
  readonly segments?: string;
  readonly shown?: readonly number[];
  readonly hide?: string;
}

export interface Upload {
  readonly source: string;
  readonly name: string;
  readonly width: number;
  readonly height: number;
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

export type JobBody = ExplainBody | FiltersBody;

export interface SentMap {
  readonly name: string;
  readonly source: string;
  readonly height: number;
  readonly width: number;
  readonly data: string;
  readonly low: number;
  readonly high: number;
}

export interface Work {
  readonly forwards: number;
  readonly backwards: number;
  readonly fraction: number;
}

export interface ExplainStep {
  readonly step: number;
  readonly fraction: number;
  readonly seconds: number;
  readonly work: Work;
  readonly error: readonly (number | null)[];
  readonly error_name: string;
  readonly unit: string;
  readonly signed: boolean;
  readonly scale: Scale;
  readonly method: string;
  readonly target: readonly number[];
  readonly labels: readonly string[];
  readonly against?: number | null;
  readonly options: Options;
  readonly notes?: Readonly<Record<string, string>>;
  readonly view?: Readonly<Record<string, OptionValue>>;
  readonly maps: readonly SentMap[];
  readonly extras: {
    readonly segments?: readonly string[] | null;
    readonly segment_weights?: readonly (readonly number[])[] | null;
    readonly segment_errors?: readonly (readonly number[])[] | null;
    readonly fit?: readonly (number | null)[] | null;
    readonly completeness_gap?: readonly (number | null)[] | null;
    readonly change?: readonly (number | null)[] | null;
    readonly prediction?: readonly (number | null)[] | null;
  };
}

export interface FiltersStep {
  readonly step: number;
  readonly fraction: number;
  readonly seconds: number;
  readonly layer: string;
  readonly filters: readonly number[];
  readonly images: readonly string[];
  readonly curves: { readonly points: readonly number[]; readonly values: readonly (readonly (number | null)[])[] };
  readonly objectives: readonly (number | null)[];
  readonly dead: readonly boolean[];
  readonly error: readonly (number | null)[];
  readonly error_name?: string;
}

export interface Evidence {
  readonly verdict: string;
  readonly sentence: string;
  readonly advice: string;
  readonly error: number | null;
  readonly error_name: string;
  readonly seeds: number | null;
  readonly advantage: { readonly value: number | null; readonly low: number | null; readonly high: number | null };
  readonly worth: number | null;
  readonly randomised: number | null;
  readonly cost: Work;
}

/** Where the filters fire on one picture, and what excites them most among those that ship. */
export interface Firing {
  readonly source: string;
  readonly name: string;
  readonly maps: readonly {
    readonly filter: number;
    readonly height: number;
    readonly width: number;
    readonly data: string;
    readonly low: number;
    readonly high: number;
    readonly peak: number;
  }[];
  readonly patches: readonly (readonly { readonly source: string; readonly name: string; readonly value: number; readonly box: readonly number[]; readonly image: string }[])[];
  readonly beats_images: readonly boolean[];
}

export interface Scores {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: string;
}

/** How far a job is, as a person sees it. */
export type Phase = "asking" | "waiting" | "queued" | "running" | "weighing" | "done" | "cancelled" | "failed" | "absent";

export interface JobView<Step = ExplainStep | FiltersStep> {
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

/** All that a link to the lab holds. */
import { choice, type Codecs, decode, encode, list, maybe, type Named, named, real, text } from "./codec";
import * as attention from "./states/attention";
import * as corpus from "./states/corpus";
import * as course from "./states/course";
import * as layers from "./states/layers";
import * as words from "./states/words";

/** `course` is there only where the server has one. */
export const VIEWS = ["course", "images", "filters", "attention", "corpus", "layers", "words"] as const;
export type View = (typeof VIEWS)[number];

export interface State extends attention.AttentionState, corpus.CorpusState, course.CourseLinkState, layers.LayersState, words.WordsState {
  readonly view: View;
  readonly model: string;
  /** Sources of the pictures side by side; the first is the one whose predictions are shown. */
  readonly image: readonly string[];
  readonly target: number | null;
  readonly against: number | null;
  readonly method: readonly Named[];
  readonly mode: "overlay" | "map" | "photo";
  readonly strength: number;
  readonly threshold: number;
  readonly sign: "both" | "positive" | "negative";
  readonly channel: "folded" | "red" | "green" | "blue";
  readonly scale: "each" | "shared";
  readonly panel: "none" | "baselines" | "superpixels";
  readonly strongest: number;
  readonly action: "keep" | "remove";
  readonly layer: string;
  readonly page: number;
  readonly filter: number | null;
  readonly seeds: number;
  readonly ascent: Named;
}

export const START: State = {
  view: "images",
  model: "imagenet",
  image: ["observation:0"],
  target: null,
  against: null,
  method: [{ name: "grad_cam", options: {} }],
  mode: "overlay",
  strength: 0.85,
  threshold: 0,
  sign: "both",
  channel: "folded",
  scale: "each",
  panel: "none",
  strongest: 5,
  action: "keep",
  layer: "",
  page: 0,
  filter: null,
  seeds: 1,
  ascent: { name: "filters", options: {} },
  ...attention.START,
  ...corpus.START,
  ...course.START,
  ...layers.START,
  ...words.START,
};

export const CODECS: Codecs<State> = {
  view: choice(...VIEWS),
  model: text,
  image: list(text),
  target: maybe(real),
  against: maybe(real),
  method: list(named),
  mode: choice("overlay", "map", "photo"),
  strength: real,
  threshold: real,
  sign: choice("both", "positive", "negative"),
  channel: choice("folded", "red", "green", "blue"),
  scale: choice("each", "shared"),
  panel: choice("none", "baselines", "superpixels"),
  strongest: real,
  action: choice("keep", "remove"),
  layer: text,
  page: real,
  filter: maybe(real),
  seeds: real,
  ascent: named,
  ...attention.CODECS,
  ...corpus.CODECS,
  ...course.CODECS,
  ...layers.CODECS,
  ...words.CODECS,
};

const STEPS: readonly (keyof State)[] = [
  "view", "model", "image", "target", "against", "method", "panel", "layer", "filter",
  ...attention.STEPS, ...corpus.STEPS, ...course.STEPS, ...layers.STEPS, ...words.STEPS,
];

export const toQuery = (state: State): string => encode(state, START, CODECS);
export const fromQuery = (query: string): { state: State; unread: string[] } => decode(query, START, CODECS);

/** What deserves a step back in the browser's history; the rest replaces the address in place. */
export function worthAStep(before: State, after: State): boolean {
  const what = (state: State) => JSON.stringify(STEPS.map((key) => state[key]));
  return what(before) !== what(after);
}

/** The filters room without the room: which layers have filters, what is asked, how a curve is drawn. */
import type { FiltersBody, Firing, Layer, Method } from "../api/types";
import { presetOf, withoutDefaults } from "./schema";
import type { State } from "./state";

/** A page of filters that fill the grid one by one. */
export const PAGE = 12;

/** Layers with one map (or one value) a filter, met once in a pass. */
export const withFilters = (layers: readonly Layer[]): Layer[] => layers.filter(({ shape, calls }) => calls === 1 && (shape.length === 3 || shape.length === 1));

/** Where the room opens: two thirds into the network, where filters look for parts of things. */
export function opening(layers: readonly Layer[]): string {
  const blocks = layers.filter(({ shape, kind }) => shape.length === 3 && !/pad|identity|pool|drop/i.test(kind));
  const deepest = blocks.filter(({ name }) => name.split(".").length <= 2);
  const from = deepest.length >= 3 ? deepest : blocks.length ? blocks : layers;
  return from[Math.floor((2 * (from.length - 1)) / 3)]?.name ?? "";
}

export function filtersBody(state: State, schema: Method, layer: string, filter: number, seed: number | null, on: string | null): FiltersBody {
  const given = { ...state.ascent.options };
  const preset = Object.keys(given).length ? presetOf(schema.options, schema.presets, given) : null;
  const options = preset === null ? withoutDefaults(schema.options, given) : {};
  return {
    kind: "filters",
    model: state.model,
    layer,
    filters: [filter],
    options: seed === null ? options : withoutDefaults(schema.options, { ...options, seed }),
    ...(preset === null ? {} : { preset }),
    ...(on === null ? {} : { on }),
  };
}

/** What the number of a made picture is: what ascent raised. */
export const measureOf = (state: State): string => (state.ascent.options.objective === "neuron" ? "map's centre" : "map's mean");

export interface Comparison {
  readonly rows: readonly { readonly name: string; readonly raised: number | null; readonly peak: number | null }[];
  readonly sentence: string;
}

/** The made picture beside the photographs, each measure with its own kind; null where the answer holds no such numbers. */
export function compared(firing: Firing, measure: string): Comparison | null {
  const made = firing.made?.[0];
  const most = firing.photographs?.[0];
  if (!made || !most) return null;
  const beats = (of: number | null, others: number | null): boolean => (of ?? Number.NaN) > (others ?? Number.NaN);
  return {
    rows: [{ name: "the made picture, as shown", ...made }, { name: "the most of any photograph", ...most }],
    sentence:
      `By its ${measure}, which ascent raised, ${beats(made.raised, most.raised) ? "the made picture excites it more than any of these photographs" : "a photograph excites it more than the made picture does: ascent has not found the best"}. ` +
      `At its strongest place, ${beats(made.peak, most.peak) ? "the made picture excites it more than any of them" : "a photograph excites it more"}.`,
  };
}

/** A map of the layer's own grid at the size of the picture, interpolated linearly between the centres of its places. */
export function enlarged(map: Float32Array, rows: number, columns: number, height: number, width: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(height * width);
  const at = (row: number, column: number): number => map[row * columns + column] ?? 0;
  for (let y = 0; y < height; y++) {
    const v = Math.min(rows - 1, Math.max(0, ((y + 0.5) * rows) / height - 0.5));
    const top = Math.floor(v);
    const below = Math.min(rows - 1, top + 1);
    for (let x = 0; x < width; x++) {
      const u = Math.min(columns - 1, Math.max(0, ((x + 0.5) * columns) / width - 0.5));
      const left = Math.floor(u);
      const right = Math.min(columns - 1, left + 1);
      const upper = at(top, left) * (1 - (u - left)) + at(top, right) * (u - left);
      const lower = at(below, left) * (1 - (u - left)) + at(below, right) * (u - left);
      out[y * width + x] = upper * (1 - (v - top)) + lower * (v - top);
    }
  }
  return out;
}

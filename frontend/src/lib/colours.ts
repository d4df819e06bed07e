/** From scores to colours as the library's pictures do it (`render/colormaps.py`, `render/heatmaps.py`). */
import { fromBase64 } from "./bytes";
import { number, percent } from "./numbers";
import { PALETTES } from "./palettes";

export type Scale = "symmetric" | "magnitude" | "minmax";
export type Sign = "both" | "positive" | "negative";

/** The scores that the two ends of a colour scale stand for; `beyond` is the share of the scores outside of them. */
export interface Limits {
  readonly scale: Scale;
  readonly low: number;
  readonly high: number;
  readonly beyond: number;
}

export const LEVELS = 255;
/** Gradients have a few scores many times the rest; spread to the largest, their maps would be almost blank. */
export const QUANTILE = 0.995;
/** Opacity at the limit. */
export const STRENGTH = 0.85;
const GAMMA = 0.8;
const FOR = [178, 24, 43] as const;
const AGAINST = [33, 102, 172] as const;
const STRONG = [190, 20, 130] as const;

const tables = { symmetric: fromBase64(PALETTES.symmetric), magnitude: fromBase64(PALETTES.magnitude) };

/** Red green blue of 255 colours, low to high. */
export function palette(scale: Scale): Uint8Array {
  return scale === "symmetric" ? tables.symmetric : tables.magnitude;
}

/** The limits of one map, or the common ones of several: the smallest that enclose that share of the magnitudes. */
export function limitsOf(maps: readonly Float32Array[], scale: Scale, quantile = QUANTILE): Limits {
  const count = maps.reduce((sum, map) => sum + map.length, 0);
  if (count === 0) throw new RangeError("no map to take limits of");
  if (scale === "minmax") {
    let low = Infinity;
    let high = -Infinity;
    for (const map of maps) for (const value of map) (low = Math.min(low, value)), (high = Math.max(high, value));
    return { scale, low, high, beyond: 0 };
  }
  const sizes = new Float32Array(count);
  let at = 0;
  for (const map of maps) for (const value of map) sizes[at++] = Math.abs(value);
  sizes.sort();
  const largest = sizes[count - 1] ?? 0;
  // the smallest score that leaves at most 1 - quantile beyond it; where that is 0, nearly all scores are, and none is cut
  const high = sizes[Math.ceil(quantile * (count - 1))] || largest;
  let beyond = 0;
  for (let i = count - 1; i >= 0 && (sizes[i] ?? 0) > high; i--) beyond++;
  return { scale, low: scale === "symmetric" ? -high : 0, high, beyond: beyond / count };
}

/** Where a score lies: -1 to 1 when symmetric, else 0 to 1; 0 when there is no range to spread. */
export function spread(value: number, within: Limits): number {
  const middle = within.scale === "symmetric" ? 0 : within.low;
  if (!(within.high > middle)) return 0;
  const size = within.scale === "magnitude" ? Math.abs(value) : value;
  return (Math.min(Math.max(size, within.low), within.high) - middle) / (within.high - middle);
}

/** A score's place in the palette. */
export function level(value: number, within: Limits): number {
  const half = (LEVELS - 1) / 2;
  const share = spread(value, within);
  return within.scale === "symmetric" ? even(share * half) + half : even(share * (LEVELS - 1));
}

/** To the nearest, and from the middle to the even one, as numpy does. */
function even(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

export interface Look {
  readonly mode: "map" | "overlay" | "photo";
  /** Opacity at the limit of an overlay. */
  readonly strength: number;
  /** Scores weaker than this share of the limit are not shown. */
  readonly threshold: number;
  readonly sign: Sign;
}

/** Whether a score is to be seen at all: threshold and sign hide the rest. */
export function visible(value: number, within: Limits, look: Pick<Look, "threshold" | "sign">): boolean {
  const share = spread(value, within);
  if (within.scale === "symmetric") {
    if (look.sign === "positive" && value < 0) return false;
    if (look.sign === "negative" && value > 0) return false;
  }
  return Math.abs(share) >= look.threshold;
}

/** Red, green, blue, alpha of each pixel: the map by itself, or as a veil over the photograph in grey. */
export function paint(
  map: Float32Array,
  photo: Uint8ClampedArray | null,
  within: Limits,
  look: Look,
): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint8ClampedArray(4 * map.length);
  const table = palette(within.scale);
  const none = within.scale === "symmetric" ? (LEVELS - 1) / 2 : 0;
  for (let i = 0; i < map.length; i++) {
    const value = map[i] ?? 0;
    const at = 4 * i;
    const shown = visible(value, within, look);
    if (look.mode === "photo" && photo) {
      for (let c = 0; c < 3; c++) out[at + c] = photo[at + c] ?? 0;
    } else if (look.mode === "map" || !photo) {
      const place = 3 * (shown ? level(value, within) : none);
      for (let c = 0; c < 3; c++) out[at + c] = table[place + c] ?? 0;
    } else {
      const share = spread(value, within);
      const colour = within.scale === "symmetric" ? (share >= 0 ? FOR : AGAINST) : STRONG;
      const alpha = shown ? even(Math.abs(share) ** GAMMA * look.strength * 255) / 255 : 0;
      const grey = greyed(photo[at] ?? 0, photo[at + 1] ?? 0, photo[at + 2] ?? 0);
      for (let c = 0; c < 3; c++) out[at + c] = even((colour[c] ?? 0) * alpha + grey * (1 - alpha));
    }
    out[at + 3] = 255;
  }
  return out;
}

/** The photograph without its colours (luma of BT.601), its blacks lifted so that dark veils tell from it. */
export function greyed(red: number, green: number, blue: number): number {
  return even(70 + ((0.299 * red + 0.587 * green + 0.114 * blue) * (255 - 70)) / 255);
}

/** The colours of a legend from low to high, as css; of an overlay as they look on the grey of a middling photograph. */
export function legendColours(scale: Scale, look: Look, steps = 64): string[] {
  const ramp = new Float32Array(steps);
  const from = scale === "symmetric" ? -1 : 0;
  for (let i = 0; i < steps; i++) ramp[i] = from + ((1 - from) * i) / (steps - 1);
  const photo = look.mode === "overlay" ? new Uint8ClampedArray(4 * steps).fill(128) : null;
  const mode = look.mode === "photo" ? "map" : look.mode;
  const out = paint(ramp, photo, { scale, low: from, high: 1, beyond: 0 }, { ...look, mode });
  return Array.from({ length: steps }, (_, i) => `rgb(${out[4 * i]},${out[4 * i + 1]},${out[4 * i + 2]})`);
}

/** What a legend says besides its numbers. Of a rectified map, what speaks against the target is not there to be seen. */
export function legendNotes(within: Limits, sign: Sign, shared: boolean, many: boolean, rectified = false): string[] {
  const signs = { both: "red for, blue against", positive: "red for; against is not shown", negative: "blue against; for is not shown" };
  const meaning = { symmetric: signs[sign], magnitude: rectified ? "only what speaks for the target, the rest dropped" : "magnitude, no sign", minmax: "smallest to largest score" };
  return [meaning[within.scale], ...(many ? [shared ? "one scale for all maps" : "each map its own scale"] : []), ...beyondNote(within)];
}

/** That some scores lie outside of the limits, where some do. */
export const beyondNote = ({ beyond }: Limits): string[] => (beyond > 0 ? [`${percent(beyond)} lie beyond`] : []);

/** The ends and the middle of a legend: places from 0 to 1 and their texts. */
export function ticks(within: Limits): { at: number; text: string }[] {
  if (within.low === within.high) return [{ at: 0.5, text: number(within.low) }];
  const middle = within.scale === "symmetric" ? [{ at: 0.5, text: "0" }] : [];
  return [{ at: 0, text: number(within.low) }, ...middle, { at: 1, text: number(within.high) }];
}

/** Superpixels: which weigh most, and where one ends. */

/** Numbers of the superpixels by magnitude, heaviest first; equal weights go by their number, a weight of 0 says nothing. */
export function heaviest(weights: readonly number[], sign: "both" | "positive" | "negative" = "both"): number[] {
  return weights
    .map((weight, index) => ({ weight, index }))
    .filter(({ weight }) => weight !== 0 && (sign === "both" || weight > 0 === (sign === "positive")))
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight) || a.index - b.index)
    .map(({ index }) => index);
}

/** The superpixels that stay visible when the strongest `k` are kept (and nothing else) or removed (and all else stays). */
export function shownAfter(count: number, strongest: readonly number[], k: number, action: "keep" | "remove"): number[] {
  const chosen = new Set(strongest.slice(0, k));
  return Array.from({ length: count }, (_, i) => i).filter((i) => chosen.has(i) === (action === "keep"));
}

/** Red green blue alpha: one superpixel, outlined in yellow and black, and nothing else. */
export function outlined(segments: Int32Array, width: number, segment: number): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint8ClampedArray(4 * segments.length);
  const inside = (row: number, column: number): boolean => column >= 0 && column < width && segments[row * width + column] === segment;
  for (let i = 0; i < segments.length; i++) {
    if (segments[i] !== segment) continue;
    const [row, column] = [Math.floor(i / width), i % width];
    const depth = [1, 2, 3].find((by) => !inside(row - by, column) || !inside(row + by, column) || !inside(row, column - by) || !inside(row, column + by));
    out.set(depth === undefined ? [255, 235, 0, 70] : depth === 3 ? [0, 0, 0, 255] : [255, 235, 0, 255], 4 * i);
  }
  return out;
}

/** 1 where a pixel's right or lower neighbour belongs to another superpixel. */
export function boundaries(segments: Int32Array, width: number): Uint8Array {
  const out = new Uint8Array(segments.length);
  for (let i = 0; i < segments.length; i++) {
    const right = (i + 1) % width !== 0 && segments[i] !== segments[i + 1];
    const below = i + width < segments.length && segments[i] !== segments[i + width];
    out[i] = right || below ? 1 : 0;
  }
  return out;
}

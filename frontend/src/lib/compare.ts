/** How far several maps of one picture disagree. */

/** Standard deviation over the maps at each pixel, each map first divided by its own limit, so that strength does not count. */
export function disagreement(maps: readonly Float32Array[], limits: readonly number[]): Float32Array<ArrayBuffer> {
  const first = maps[0];
  if (!first) return new Float32Array(0);
  const out = new Float32Array(first.length);
  for (let i = 0; i < first.length; i++) {
    let sum = 0;
    let squares = 0;
    for (let m = 0; m < maps.length; m++) {
      const high = limits[m] || 1;
      const value = Math.min(1, Math.max(-1, (maps[m]?.[i] ?? 0) / high));
      sum += value;
      squares += value * value;
    }
    const mean = sum / maps.length;
    out[i] = Math.sqrt(Math.max(0, squares / maps.length - mean * mean));
  }
  return out;
}

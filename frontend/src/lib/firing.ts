/** The map of one filter on one picture: its own places, and enlarged to lie over the picture. */
import type { Firing } from "../api/types";
import { floats } from "./bytes";
import { extent } from "./cells";
import { enlarged } from "./filters";

export interface Fire {
  readonly large: Float32Array;
  readonly rows: number;
  readonly columns: number;
  readonly low: number;
  readonly high: number;
  /** The place of the map that a pixel of the picture lies in, and its value as it is. */
  readonly at: (row: number, column: number) => { row: number; column: number; value: number };
}

const known = new WeakMap<Firing, Fire>();

export function fromFiring(firing: Firing, height: number, width: number): Fire | null {
  const sent = firing.maps[0];
  if (!sent) return null;
  const before = known.get(firing);
  if (before?.large.length === height * width) return before;
  const map = floats(sent.data, sent.height * sent.width);
  const [low, high] = extent(map);
  const fire: Fire = {
    large: enlarged(map, sent.height, sent.width, height, width),
    rows: sent.height,
    columns: sent.width,
    low,
    high,
    at: (row, column) => {
      const y = Math.min(sent.height - 1, Math.floor((row * sent.height) / height));
      const x = Math.min(sent.width - 1, Math.floor((column * sent.width) / width));
      return { row: y, column: x, value: map[y * sent.width + x] ?? Number.NaN };
    },
  };
  known.set(firing, fire);
  return fire;
}

/** Curves over layers as paths: the same on the page and in a drawing. */
import { scaleLinear } from "d3-scale";
import { area, line } from "d3-shape";

export interface Curve {
  readonly name: string;
  readonly y: readonly (number | null)[];
  /** The ends of an interval, drawn as a band. */
  readonly low?: readonly (number | null)[];
  readonly high?: readonly (number | null)[];
  readonly dash: string;
}

export interface Plot {
  readonly x: (layer: number) => number;
  readonly y: (value: number) => number;
  readonly ticks: readonly number[];
  readonly layers: readonly number[];
  readonly paths: readonly { readonly name: string; readonly dash: string; readonly line: string; readonly band: string; readonly points: readonly (readonly [number, number])[] }[];
}

/** Twenty-five layers have room for a number each. */
const MOST = 13;

export function plot(curves: readonly Curve[], layers: readonly number[], zero: boolean, box: { left: number; right: number; top: number; bottom: number }): Plot {
  const values = curves.flatMap(({ y, low = [], high = [] }) => [...y, ...low, ...high]).filter((value): value is number => value !== null);
  if (zero || values.length === 0) values.push(0);
  const extent: [number, number] = [Math.min(...values), Math.max(...values)];
  if (extent[0] === extent[1]) extent[1] += 1;
  const x = scaleLinear().domain([layers[0] ?? 0, Math.max(layers.at(-1) ?? 1, (layers[0] ?? 0) + 1)]).range([box.left, box.right]);
  const y = scaleLinear().domain(extent).nice(5).range([box.bottom, box.top]);
  const known = (row: readonly (number | null)[]) => layers.flatMap((layer, n) => (typeof row[n] === "number" ? [[x(layer), y(row[n])] as const] : []));
  const step = Math.ceil(layers.length / MOST);
  return {
    x,
    y,
    ticks: y.ticks(5),
    layers: layers.filter((_, n) => n % step === 0),
    paths: curves.map((curve) => {
      const points = known(curve.y);
      const between = layers.flatMap((layer, n) => {
        const [low, high] = [curve.low?.[n], curve.high?.[n]];
        return typeof low === "number" && typeof high === "number" ? [[x(layer), y(low), y(high)] as const] : [];
      });
      return {
        name: curve.name,
        dash: curve.dash,
        line: line<readonly [number, number]>()(points) ?? "",
        band: area<readonly [number, number, number]>().x(([at]) => at).y0(([, low]) => low).y1(([, , high]) => high)(between) ?? "",
        points,
      };
    }),
  };
}

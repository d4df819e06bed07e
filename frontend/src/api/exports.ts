/** What a room can hand out of itself, and how it becomes a file. */
import type { Drawing } from "../lib/figure";
import { page } from "../lib/page";
import type { Jobs } from "./jobs.svelte";
import type { LiveLab } from "./live";
import { pictureKey, type Saved } from "./saved";
import type { Catalog, JobBody } from "./types";

export interface Exports {
  /** Of the files, without an ending. */
  readonly name: string;
  readonly ready: boolean;
  readonly drawing: () => Drawing;
  readonly csv: () => string;
  /** What `pellucid replay` reruns. */
  readonly records: readonly { readonly name: string; readonly href: string }[];
  readonly bodies: readonly JobBody[];
  readonly sources: readonly string[];
  /** Keys of the answers about texts that the view shows, as `questionKey` makes them: an exported page takes these along. */
  readonly questions: readonly string[];
}

export function download(content: Blob | string, name: string, type: string): void {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

export async function png(drawing: Drawing): Promise<Blob> {
  const image = await loaded(`data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawing.text)}`);
  const canvas = document.createElement("canvas");
  canvas.width = 2 * drawing.width;
  canvas.height = 2 * drawing.height;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser draws on no canvas, so there is no PNG.");
  context.scale(2, 2);
  context.drawImage(image, 0, 0);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture is too large for this browser; export fewer maps, or SVG."))), "image/png"),
  );
}

export function loaded(address: string): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("The picture did not load."));
    image.src = address;
  });
}

/** The pixels of a map or a photograph as a data: address. */
export function dataUrl(pixels: Uint8ClampedArray<ArrayBuffer>, width: number, height: number): string {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")?.putImageData(new ImageData(pixels, width, height), 0, 0);
  return canvas.toDataURL("image/png");
}

export async function html(exports: Exports, lab: LiveLab, jobs: Jobs, catalog: Catalog, query: string, model: string): Promise<string> {
  const script = document.querySelector<HTMLScriptElement>("script[type=module][src]");
  const style = document.querySelector<HTMLLinkElement>("link[rel=stylesheet]");
  if (!script || !style) throw new Error("The page does not find its own script and style sheet, so it cannot make a copy of itself.");
  const [code, sheet] = await Promise.all([script.src, style.href].map(async (address) => (await fetched(address)).text()));
  const shown = new Set([...exports.sources, ...catalog.observations.map(({ source }) => source)]);
  const pictures: Record<string, string> = {};
  await Promise.all(
    [...shown].map(async (source) => {
      pictures[pictureKey(source)] = await inlined(lab.picture(source));
      if (exports.sources.includes(source)) pictures[pictureKey(source, model)] = await inlined(lab.picture(source, model));
    }),
  );
  const held = jobs.finished(exports.bodies);
  const ids = new Set(Object.values(held).map(({ id }) => id));
  const wanted = (key: string): boolean => {
    if (key.startsWith("/api/jobs/")) return ids.has(decodeURIComponent(key.split("/")[3] ?? ""));
    if (key.startsWith("/api/models/")) return key.startsWith(`/api/models/${encodeURIComponent(model)}/`);
    if (key.startsWith("/api/predict ")) return exports.sources.some((source) => key.includes(JSON.stringify(source)));
    return key === "/api/catalog" || key === "/api/text/examples" || key.startsWith("/api/pictures/") || exports.questions.includes(key);
  };
  const saved: Saved = {
    version: catalog.version,
    made: new Date().toISOString(),
    query,
    answers: Object.fromEntries([...lab.answers].filter(([key]) => wanted(key))),
    pictures,
    jobs: held,
  };
  return page(code ?? "", sheet ?? "", saved, `Pellucid: ${exports.name}`);
}

/** What `pellucid replay` asks again: the questions that can be, by their keys, with the answers to them. */
export function recordOf(questions: readonly string[], answers: ReadonlyMap<string, unknown>, version: string): string {
  const asked = questions.flatMap((key) => {
    const space = key.indexOf(" ");
    return space < 0 || !answers.has(key) ? [] : [{ path: key.slice(0, space), body: JSON.parse(key.slice(space + 1)) as unknown, answer: answers.get(key) }];
  });
  return JSON.stringify({ kind: "pellucid view", pellucid: version, questions: asked }, null, 1);
}

async function fetched(address: string): Promise<Response> {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}, so the copy would lack it.`);
  return answer;
}

async function inlined(address: string): Promise<string> {
  const blob = await (await fetched(address)).blob();
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new Error(`${address} could not be read.`));
    reader.readAsDataURL(blob);
  });
}

/** The pictures that there are to look at: those that ship, those that were handed in, and each as a model reads it. */
import type { Picture } from "../views/Strip.svelte";
import { loaded } from "./exports";
import type { Lab } from "./lab";
import { words } from "./live";
import type { Catalog, Upload } from "./types";

export class Gallery {
  private uploads = $state.raw<readonly Upload[]>([]);
  /** What the model reads, by source; photos never change. */
  photos = $state.raw<Readonly<Record<string, ImageData>>>({});
  photoError = $state("");
  /** Whether uploads can be removed: not in a saved page, nor where they are those of a whole course. */
  removable = $state(false);
  private readonly inquired = new Set<string>();
  private readonly asking = new Set<string>();
  private photosOf = "";

  constructor(
    private readonly lab: Lab,
    private readonly tell: (notice: string) => void,
  ) {}

  /** The strip: what ships, then what was handed in, here or by whoever made the link. */
  pictures(catalog: Catalog, chosen: readonly string[]): Picture[] {
    return [
      ...catalog.observations.map(({ source, title, name }, digit) => ({ source, title: title || name, digit, thumbnail: this.lab.picture(source) })),
      ...[
        ...this.uploads,
        ...chosen.filter((source) => source.startsWith("sha256:") && !this.uploads.some((one) => one.source === source)).map((source) => ({ source, name: "your picture" })),
      ].map(({ source, name }) => ({ source, title: name, digit: null, thumbnail: this.lab.picture(source) })),
    ];
  }

  /** Brings back what was handed in before this page was opened. */
  async recall(): Promise<void> {
    try {
      const found = await this.lab.uploads();
      this.uploads = [...found, ...this.uploads.filter(({ source }) => !found.some((one) => one.source === source))];
      for (const { source } of found) this.inquired.add(source);
      this.removable = !this.lab.saved;
    } catch (error) {
      this.tell(`Which pictures of yours are here is not known: ${words(error)}`);
    }
  }

  /** Whether it is gone, from the strip and from the lab. */
  async remove(source: string): Promise<boolean> {
    try {
      await this.lab.removeUpload(source);
    } catch (error) {
      this.tell(`The picture could not be removed: ${words(error)}`);
      return false;
    }
    this.uploads = this.uploads.filter((one) => one.source !== source);
    return true;
  }

  /** A link may name pictures that were handed in before this page was opened. */
  inquire(sources: readonly string[]): void {
    for (const source of sources) {
      if (!source.startsWith("sha256:") || this.inquired.has(source)) continue;
      this.inquired.add(source);
      this.lab.about(source).then(
        (found) => { if (!this.uploads.some((one) => one.source === source)) this.uploads = [...this.uploads, found]; },
        (error: unknown) => this.tell(`The picture of this link is not here: ${words(error)}`),
      );
    }
  }

  /** Hands files in, and calls `choose` with each that was taken. */
  async open(files: readonly File[], most: number, choose: (source: string) => void): Promise<void> {
    for (const file of files) {
      this.tell(`Reading ${file.name || "the picture"}…`);
      try {
        if (file.size > most) throw new Error(`It has ${(file.size / 1e6).toFixed(1)} MB; the lab takes pictures of up to ${(most / 1e6).toFixed(0)} MB.`);
        const found = await this.lab.upload(file, file.name || "picture");
        const mine = { ...found, name: file.name || found.name };
        this.inquired.add(mine.source);
        this.uploads = [...this.uploads.filter(({ source }) => source !== mine.source), mine];
        choose(mine.source);
        this.tell("");
      } catch (error) {
        this.tell(`${file.name || "The picture"} could not be taken: ${words(error)}`);
      }
    }
  }

  /** Loads what the model reads of these. */
  see(model: string, sources: readonly string[]): void {
    this.photoError = "";
    if (this.photosOf !== model) {
      this.photos = {};
      this.asking.clear();
    }
    this.photosOf = model;
    for (const source of sources) {
      if (this.asking.has(source)) continue;
      const address = this.lab.picture(source, model);
      if (!address) {
        this.photoError = `This saved page does not hold it as ${model} reads it.`;
        continue;
      }
      this.asking.add(source);
      loaded(address).then(
        (image) => {
          const canvas = document.createElement("canvas");
          canvas.width = image.naturalWidth;
          canvas.height = image.naturalHeight;
          const context = canvas.getContext("2d", { willReadFrequently: true });
          context?.drawImage(image, 0, 0);
          const pixels = context?.getImageData(0, 0, canvas.width, canvas.height);
          if (pixels && this.photosOf === model) this.photos = { ...this.photos, [source]: pixels };
        },
        (error: unknown) => {
          this.asking.delete(source);
          this.photoError = words(error) + (source.startsWith("sha256:") ? " Was it handed in to another run of the lab? Then hand it in again." : "");
        },
      );
    }
  }
}

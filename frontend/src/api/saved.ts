/** The lab in an exported page: it answers what was asked when it was saved, and computes nothing. */
import { canonical } from "../lib/schema";
import type { Lab, Running } from "./lab";
import { CORPORA, questionKey, searchPath, textPath, thumbnailsPath } from "./live";
import type { Catalog, CorpusEntry, Examples, JobBody, JobView, Layer, LayerThumbnail, PredictBody, Predicted, Questions, Scores, SearchAnswer, SearchBody, Upload } from "./types";

/** All that an exported page holds besides the lab itself. */
export interface Saved {
  readonly version: string;
  readonly made: string;
  /** The state as in a link. */
  readonly query: string;
  readonly answers: Readonly<Record<string, unknown>>;
  readonly pictures: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, JobView>>;
}

const ABSENT = "This saved page does not hold that. Open the lab to compute it.";

export class SavedLab implements Lab {
  readonly saved = true;

  constructor(private readonly held: Saved) {}

  catalog(): Promise<Catalog> {
    return this.find("/api/catalog");
  }
  async labels(model: string): Promise<readonly string[]> {
    return (await this.find<{ labels: string[] }>(`/api/models/${encodeURIComponent(model)}/labels`)).labels;
  }
  async layers(model: string): Promise<readonly Layer[]> {
    return (await this.find<{ layers: Layer[] }>(`/api/models/${encodeURIComponent(model)}/layers`)).layers;
  }
  async thumbnails(model: string, source: string): Promise<readonly LayerThumbnail[]> {
    return (await this.find<{ thumbnails: LayerThumbnail[] }>(thumbnailsPath(model, source))).thumbnails;
  }
  predict(body: PredictBody): Promise<Predicted> {
    return this.find("/api/predict", body);
  }
  scores(job: string): Promise<Scores> {
    return this.find(`/api/jobs/${encodeURIComponent(job)}/scores?image=0`);
  }
  upload(): Promise<Upload> {
    return Promise.reject(new Error("This is a saved page. Open the lab to look at pictures of your own."));
  }
  uploads(): Promise<readonly Upload[]> {
    return Promise.resolve([]);
  }
  removeUpload(): Promise<void> {
    return Promise.reject(new Error("This is a saved page. Open the lab to remove a picture."));
  }
  about(source: string): Promise<Upload> {
    return this.find(`/api/pictures/${encodeURIComponent(source)}/about`);
  }
  picture(source: string, model?: string): string {
    return this.held.pictures[pictureKey(source, model)] ?? (model ? "" : BLANK);
  }
  examples(): Promise<Examples> {
    return this.find("/api/text/examples");
  }
  text<Q extends keyof Questions>(question: Q, body: Questions[Q][0]): Promise<Questions[Q][1]> {
    return this.find(textPath(question), body);
  }
  async corpora(): Promise<readonly CorpusEntry[]> {
    return (await this.find<{ corpora: CorpusEntry[] }>(CORPORA)).corpora;
  }
  forgetCorpus(): Promise<void> {
    return Promise.reject(new Error("This is a saved page. Open the lab to remove a corpus."));
  }
  search(corpus: string, body: SearchBody): Promise<SearchAnswer> {
    return this.find(searchPath(corpus), body);
  }
  run(body: JobBody, tell: (change: Partial<JobView>) => void): Running {
    const found = this.held.jobs[canonical(body)];
    // subtle: later, as a server would, so that whoever asks has the handle before the answer
    queueMicrotask(() => tell(found ?? { phase: "absent", message: ABSENT }));
    return { cancel: () => undefined, leave: () => undefined };
  }

  private find<T>(path: string, body?: object): Promise<T> {
    const found = this.held.answers[questionKey(path, body)];
    return found === undefined ? Promise.reject(new Error(ABSENT)) : Promise.resolve(found as T);
  }
}

export const pictureKey = (source: string, model?: string): string => (model ? `${model} ${source}` : source);

const BLANK = "data:image/svg+xml," + encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="#888"/></svg>');

/** Where answers come from: a running server, or what an exported page holds. */
import type { Catalog, CorpusEntry, Examples, JobBody, JobView, Layer, LayerThumbnail, PredictBody, Predicted, Questions, Scores, SearchAnswer, SearchBody, Upload } from "./types";

export interface Running {
  /** Stops the work on the server. */
  cancel(): void;
  /** Stops listening only. */
  leave(): void;
}

export interface Lab {
  /** Whether this is a saved copy, which computes nothing. */
  readonly saved: boolean;
  catalog(): Promise<Catalog>;
  labels(model: string): Promise<readonly string[]>;
  layers(model: string): Promise<readonly Layer[]>;
  /** Where each layer responds to a picture, in little. */
  thumbnails(model: string, source: string): Promise<readonly LayerThumbnail[]>;
  predict(body: PredictBody, stop?: AbortSignal): Promise<Predicted>;
  scores(job: string): Promise<Scores>;
  upload(picture: Blob, name: string): Promise<Upload>;
  /** What was handed in and is kept, by this page or before it. */
  uploads(): Promise<readonly Upload[]>;
  removeUpload(source: string): Promise<void>;
  /** What a picture handed in earlier is called. */
  about(source: string): Promise<Upload>;
  /** The address of a picture: as the model reads it, or a thumbnail; empty where a saved page does not hold it. */
  picture(source: string, model?: string): string;
  /** The questions and words that ship. */
  examples(): Promise<Examples>;
  /** About texts: one question is asked once. */
  text<Q extends keyof Questions>(question: Q, body: Questions[Q][0], stop?: AbortSignal): Promise<Questions[Q][1]>;
  /** As they are now. */
  corpora(): Promise<readonly CorpusEntry[]>;
  forgetCorpus(name: string): Promise<void>;
  search(corpus: string, body: SearchBody, stop?: AbortSignal): Promise<SearchAnswer>;
  /** Asks for a job and tells of every change until it ends. */
  run(body: JobBody, tell: (change: Partial<JobView>) => void): Running;
}

/** An answer that is an error, with what the server said about it. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly retryAfter: number | null = null,
    /** What else the answer held. */
    readonly about: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

/** The lab on a running server. */
import { sentence } from "../lib/notes";
import { canonical } from "../lib/schema";
import { type Lab, Refused, type Running } from "./lab";
import { Turns } from "./turns";
import type { Catalog, CorpusEntry, Evidence, Examples, Firing, JobBody, JobView, Layer, LayerThumbnail, PredictBody, Predicted, Questions, Scores, SearchAnswer, SearchBody, Upload } from "./types";

/** Browsers allow six connections to a host, over all its tabs; events must leave room for answers. */
const STREAMS = 2;
/** How often a job that the server forgot is asked for again. */
const ASKED_AGAIN = 2;

interface Asked {
  readonly id: string;
  readonly state: string;
}

interface Fetched {
  readonly state: string;
  readonly error?: string | null;
}

const BROWSER = "pellucid-browser";

/** One name for all pages of this browser, since a page whose answers wait for a connection cannot say that it is there: others
 * hold the few that a browser has to one server. Where nothing may be kept, a page has its own. */
function browserName(): string {
  const made = Math.random().toString(36).slice(2);
  try {
    const kept = localStorage.getItem(BROWSER) ?? made;
    localStorage.setItem(BROWSER, kept);
    return kept;
  } catch {
    return made;
  }
}

export class LiveLab implements Lab {
  readonly saved = false;
  /** Every answer so far by question: an exported page takes along those that it shows. */
  readonly answers = new Map<string, unknown>();
  private readonly pending = new Map<string, Promise<unknown>>();
  private readonly turns = new Turns(STREAMS);
  /** One question at a time, so that the server's line is in the page's order. */
  private readonly asking = new Turns(1);
  /** What the server still works at for this page. */
  private readonly unfinished = new Set<string>();
  /** Whose page this is: what was asked for is let go when the browser is killed or loses its network. */
  private readonly page = browserName();

  constructor() {
    // a page that is closed must not leave the next one waiting for answers that nobody will see
    addEventListener("pagehide", () => {
      for (const id of this.unfinished) void fetch(jobPath(id), { method: "DELETE", keepalive: true }).catch(() => undefined);
    });
  }

  catalog(): Promise<Catalog> {
    return this.kept("/api/catalog");
  }
  async labels(model: string): Promise<readonly string[]> {
    return (await this.kept<{ labels: string[] }>(`/api/models/${encodeURIComponent(model)}/labels`)).labels;
  }
  async layers(model: string): Promise<readonly Layer[]> {
    return (await this.kept<{ layers: Layer[] }>(`/api/models/${encodeURIComponent(model)}/layers`)).layers;
  }
  async thumbnails(model: string, source: string): Promise<readonly LayerThumbnail[]> {
    return (await this.kept<{ thumbnails: LayerThumbnail[] }>(thumbnailsPath(model, source))).thumbnails;
  }
  predict(body: PredictBody, stop?: AbortSignal): Promise<Predicted> {
    return this.kept("/api/predict", body, stop);
  }
  scores(job: string): Promise<Scores> {
    return this.kept(`/api/jobs/${encodeURIComponent(job)}/scores?image=0`);
  }
  upload(picture: Blob, name: string): Promise<Upload> {
    return ask<Upload>(`/api/uploads?name=${encodeURIComponent(name)}`, { method: "POST", body: picture, headers: { "Content-Type": picture.type || "application/octet-stream" } });
  }
  async uploads(): Promise<readonly Upload[]> {
    return (await ask<{ uploads: Upload[] }>("/api/uploads")).uploads;
  }
  async removeUpload(source: string): Promise<void> {
    await ask(`/api/pictures/${encodeURIComponent(source)}`, { method: "DELETE" });
    this.answers.delete(`/api/pictures/${encodeURIComponent(source)}/about`);
  }
  about(source: string): Promise<Upload> {
    return this.kept(`/api/pictures/${encodeURIComponent(source)}/about`);
  }
  picture(source: string, model?: string): string {
    return `/api/pictures/${encodeURIComponent(source)}${model ? `?model=${encodeURIComponent(model)}` : ""}`;
  }

  examples(): Promise<Examples> {
    return this.kept("/api/text/examples");
  }
  text<Q extends keyof Questions>(question: Q, body: Questions[Q][0], stop?: AbortSignal): Promise<Questions[Q][1]> {
    return this.kept(textPath(question), body, stop);
  }
  async corpora(): Promise<readonly CorpusEntry[]> {
    const found = await ask<{ corpora: CorpusEntry[] }>(CORPORA);
    this.answers.set(CORPORA, found); // for an exported page; here they are asked again every time
    return found.corpora;
  }
  async forgetCorpus(name: string): Promise<void> {
    await ask(`${CORPORA}/${encodeURIComponent(name)}`, { method: "DELETE" });
    for (const key of this.answers.keys()) if (key.startsWith(`${searchPath(name)} `)) this.answers.delete(key);
  }
  search(corpus: string, body: SearchBody, stop?: AbortSignal): Promise<SearchAnswer> {
    return this.kept(searchPath(corpus), body, stop);
  }

  run(body: JobBody, tell: (change: Partial<JobView>) => void): Running {
    const stop = new AbortController();
    let id: string | null = null;
    let unwanted = false;
    const cancel = async (): Promise<void> => {
      unwanted = true;
      if (id === null) return;
      await ask(jobPath(id), { method: "DELETE" }).catch((error: unknown) => {
        if (!stop.signal.aborted) tell({ message: `Cancelling did not work: ${words(error)}` });
      });
    };
    const begin = async (): Promise<void> => {
      for (let times = 0; times <= ASKED_AGAIN && !stop.signal.aborted; times++) {
        const asked = await this.asking.take(() => this.asked(body, tell, stop.signal, () => !unwanted), stop.signal);
        if (!asked) return;
        id = asked.id;
        this.unfinished.add(id);
        // subtle: the question was on its way when it was taken back
        if (unwanted) return void (await cancel());
        // subtle: its place would be out of date until somebody listens, for few are listened to at a time
        tell({ id, phase: asked.state === "running" ? "running" : "queued", position: null, message: "" });
        if ((await this.turns.take(() => this.listen(asked.id, tell, stop.signal), stop.signal)) !== "forgotten") return;
      }
      if (!stop.signal.aborted) tell({ phase: "failed", message: "The server forgot this job more than once; ask again." });
    };
    begin()
      .catch((error: unknown) => {
        if (!stop.signal.aborted) tell({ phase: "failed", message: words(error) });
      })
      .finally(() => id !== null && this.unfinished.delete(id));
    return {
      cancel: () => {
        if (id === null) tell({ phase: "cancelled", message: "" });
        void cancel();
      },
      leave: () => stop.abort(),
    };
  }

  /** Asks until the browser is online and the queue has room; undefined once it is not wanted any more. */
  private async asked(body: JobBody, tell: (change: Partial<JobView>) => void, stop: AbortSignal, wanted: () => boolean): Promise<Asked | undefined> {
    while (wanted()) {
      try {
        return await ask<Asked>("/api/jobs", json(body, { "X-Page": this.page }));
      } catch (error) {
        if (error instanceof TypeError && !navigator.onLine) {
          tell({ phase: "waiting", message: "The browser is offline; asking again as soon as it is back." });
          await online(stop);
          continue;
        }
        if (!(error instanceof Refused) || error.status !== 503) throw error;
        const wait = error.retryAfter ?? 2;
        tell({ phase: "waiting", message: `The queue is full; asking again in ${wait} s.` });
        await pause(1000 * wait, stop);
      }
    }
  }

  private listen(id: string, tell: (change: Partial<JobView>) => void, stop: AbortSignal): Promise<"ended" | "forgotten"> {
    return new Promise((resolve, reject) => {
      // subtle: after a dropped connection the browser sends Last-Event-ID by itself, so the stream goes on where it was
      const events = new EventSource(`${jobPath(id)}/events`);
      const end = (how: "ended" | "forgotten"): void => {
        events.close();
        resolve(how);
      };
      const on = <T>(name: string, react: (data: T) => void): void =>
        events.addEventListener(name, (event) => react(JSON.parse((event as MessageEvent<string>).data || "{}") as T));
      stop.addEventListener("abort", () => end("ended"));
      on<{ position?: number }>("queued", ({ position }) => tell({ phase: "queued", position: position ?? null }));
      on("started", () => tell({ phase: "running", position: null, message: "" }));
      on<NonNullable<JobView["step"]>>("step", (step) => tell({ phase: step.fraction >= 1 ? "weighing" : "running", step, message: "" }));
      on<{ evidence: Evidence[] }>("trust", ({ evidence }) => tell({ evidence }));
      on<Firing>("firing", (firing) => tell({ firing }));
      on<{ text: string }>("note", ({ text }) => tell({ note: text }));
      on("done", () => (tell({ phase: "done" }), end("ended")));
      on<{ detail?: string | null }>("cancelled", ({ detail }) => (tell({ phase: "cancelled", message: detail ? sentence(detail) : "" }), end("ended")));
      on<{ detail: string }>("failed", ({ detail }) => (tell({ phase: "failed", message: detail }), end("ended")));
      events.onerror = () => {
        if (stop.aborted) return;
        tell({ message: "The connection dropped; trying again." });
        if (events.readyState !== EventSource.CLOSED) return;
        // the server answered with an error instead of a stream: find out whether it still knows the job
        pause(1000, stop)
          .then(() => ask<Fetched>(jobPath(id)))
          .then(
            ({ state, error }) => {
              if (state === "failed" || state === "cancelled") tell({ phase: state, message: error ?? "" });
              end(state === "failed" || state === "cancelled" ? "ended" : "forgotten");
            },
            (error: unknown) => (error instanceof Refused && error.status === 404 ? end("forgotten") : (events.close(), reject(error as Error))),
          );
      };
    });
  }

  /** One question is asked once; its answer is kept, an error is not. */
  private async kept<T>(path: string, body?: object, stop?: AbortSignal): Promise<T> {
    const key = questionKey(path, body);
    if (this.answers.has(key)) return this.answers.get(key) as T;
    let pending = this.pending.get(key) as Promise<T> | undefined;
    if (!pending) {
      pending = ask<T>(path, body ? { ...json(body), signal: stop ?? null } : {});
      this.pending.set(key, pending);
      pending.then(
        (answer) => (this.answers.set(key, answer), this.pending.delete(key)),
        () => this.pending.delete(key),
      );
    }
    return pending;
  }
}

const jobPath = (id: string): string => `/api/jobs/${encodeURIComponent(id)}`;
export const CORPORA = "/api/corpora";
export const searchPath = (corpus: string): string => `${CORPORA}/${encodeURIComponent(corpus)}/search`;
export const textPath = (question: keyof Questions): string => `/api/text/${question}`;
export const thumbnailsPath = (model: string, source: string): string =>
  `/api/models/${encodeURIComponent(model)}/thumbnails?source=${encodeURIComponent(source)}`;
export const questionKey = (path: string, body?: object): string => (body ? `${path} ${canonical(body)}` : path);

export const json = (body: object, headers: Readonly<Record<string, string>> = {}): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { "Content-Type": "application/json", ...headers },
});

/** Says "401" whenever the server does not know who asks. */
export const signedOut = new EventTarget();

export async function ask<T = unknown>(path: string, init: RequestInit = {}): Promise<T> {
  const answer = await fetch(path, init);
  if (answer.ok) return (answer.status === 204 ? undefined : await answer.json().catch(() => undefined)) as T;
  if (answer.status === 401) signedOut.dispatchEvent(new Event("401"));
  const said: unknown = await answer.json().catch(() => null);
  const about = said !== null && typeof said === "object" ? (said as Record<string, unknown>) : {};
  const retry = Number(answer.headers.get("Retry-After"));
  throw new Refused(
    answer.status,
    typeof about.detail === "string" ? about.detail : `The server answered ${answer.status} ${answer.statusText} to ${path}.`,
    Number.isFinite(retry) && retry > 0 ? retry : null,
    about,
  );
}

/** Said when nobody answers. Where there is a course, who reads it cannot start its server. */
let silence = "The server does not answer. Try again in a moment.";
/** To be called when the server is known to hold no course: then it is a lab that somebody started for themselves. */
export function withoutCourse(): void {
  silence = "The server does not answer. Is `pellucid lab` still running?";
}

/** An error as a sentence for a person. */
export function words(error: unknown): string {
  if (error instanceof Refused) return error.message;
  if (error instanceof TypeError) return silence;
  return error instanceof Error ? error.message : String(error);
}

const online = (stop: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    addEventListener("online", () => resolve(), { once: true, signal: stop });
    stop.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
  });

const pause = (milliseconds: number, stop: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    stop.addEventListener("abort", () => (clearTimeout(timer), reject(new DOMException("stopped", "AbortError"))));
  });

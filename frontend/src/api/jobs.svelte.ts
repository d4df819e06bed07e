/** The jobs that the page has asked for, by question; each change gives a new value, so a view may hold on to one. */
import { canonical } from "../lib/schema";
import type { Lab, Running } from "./lab";
import { going, type JobBody, type JobView, NOTHING } from "./types";

/** How many finished answers are kept for going back to. */
const KEPT = 80;

export class Jobs {
  private views = $state.raw<Readonly<Record<string, JobView>>>({});
  private readonly running = new Map<string, Running>();

  constructor(private readonly lab: Lab) {}

  view<B extends JobBody>(body: B): JobView {
    return this.views[canonical(body)] ?? NOTHING;
  }

  /** Starts what is wanted and not known yet; stops on the server what is no longer wanted and not finished. */
  want(bodies: readonly JobBody[]): void {
    const wanted = new Map(bodies.map((body) => [canonical(body), body]));
    for (const [key, handle] of this.running) {
      if (wanted.has(key)) continue;
      handle.cancel();
      handle.leave();
      this.running.delete(key);
      this.forget(key);
    }
    for (const [key, body] of wanted) if (!(key in this.views)) this.start(key, body);
    this.trim(wanted);
  }

  cancel(body: JobBody): void {
    this.running.get(canonical(body))?.cancel();
  }

  again(body: JobBody): void {
    const key = canonical(body);
    this.running.get(key)?.leave();
    this.start(key, body);
  }

  /** The finished ones among these, by question. */
  finished(bodies: readonly JobBody[]): Record<string, JobView> {
    const keys = bodies.map((body) => canonical(body));
    return Object.fromEntries(keys.flatMap((key) => (this.views[key]?.step ? [[key, { ...this.views[key], phase: "done" } as JobView]] : [])));
  }

  private start(key: string, body: JobBody): void {
    this.views = { ...this.views, [key]: NOTHING };
    const tell = (change: Partial<JobView>): void => {
      const before = this.views[key];
      if (!before || this.running.get(key) !== handle) return;
      const after = { ...before, ...change };
      this.views = { ...this.views, [key]: after };
      if (!going(after.phase)) this.running.delete(key);
    };
    const handle = this.lab.run(body, tell);
    this.running.set(key, handle);
  }

  private forget(key: string): void {
    const { [key]: _, ...others } = this.views;
    this.views = others;
  }

  private trim(wanted: ReadonlyMap<string, JobBody>): void {
    const idle = Object.keys(this.views).filter((key) => !wanted.has(key) && !this.running.has(key));
    for (const key of idle.slice(0, Math.max(0, idle.length - KEPT))) this.forget(key);
  }
}

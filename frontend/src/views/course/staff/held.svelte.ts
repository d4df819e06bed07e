/** Answers and acts with the states that they have: on their way, there, failed. */
import { words } from "../../../api/live";

export interface Held<T> {
  /** The last answer, also while the next is on its way. */
  readonly value: T | null;
  readonly waiting: boolean;
  readonly error: string;
  again(): void;
  /** Puts in what another route answered. */
  set(value: T): void;
}

/** To be called while a component begins: asks at once, and again whenever what `ask` reads has changed. null asks nothing. */
export function held<T>(ask: () => Promise<T> | null): Held<T> {
  let value = $state.raw<T | null>(null);
  let waiting = $state(true);
  let error = $state("");
  let times = $state(0);
  $effect(() => {
    void times;
    const asked = ask();
    let overtaken = false;
    waiting = asked !== null;
    error = "";
    asked?.then(
      (answer) => { if (!overtaken) (value = answer), (waiting = false); },
      (failed: unknown) => { if (!overtaken) (error = words(failed)), (waiting = false); },
    );
    return () => void (overtaken = true);
  });
  return {
    get value() { return value; },
    get waiting() { return waiting; },
    get error() { return error; },
    again() { times += 1; },
    set(given) { value = given; error = ""; },
  };
}

/** Something that is done once a button was pressed; a second press while it runs does nothing. */
export class Act {
  busy = $state(false);
  error = $state("");

  /** What `work` answers; undefined when it failed, which `error` then says in words, or when it already runs. */
  async run<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.busy) return undefined;
    this.busy = true;
    this.error = "";
    try {
      return await work();
    } catch (failed) {
      this.error = words(failed);
      return undefined;
    } finally {
      this.busy = false;
    }
  }
}

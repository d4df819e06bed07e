/** The latest answer to a question that changes: the last one stays until the next is there, and one that is overtaken is dropped. */
import { heard } from "./heard";
import type { Lab } from "./lab";
import { words } from "./live";
import { againWhenOnline } from "./online.svelte";
import type { Questions } from "./types";

export interface Asked<Q extends keyof Questions> {
  /** With what it answers; null before the first. */
  readonly held: { readonly body: Questions[Q][0]; readonly answer: Questions[Q][1] } | null;
  /** Whether it answers what is asked now. */
  readonly current: boolean;
  readonly waiting: boolean;
  /** What went wrong with the question as it is now. */
  readonly error: string;
  again(): void;
}

/** To be called while a component begins. Nothing is asked while `body` is null. */
export function asked<Q extends keyof Questions>(lab: () => Lab, question: Q, body: () => Questions[Q][0] | null): Asked<Q> {
  const key = $derived(JSON.stringify(body()));
  let held = $state.raw<{ key: string; body: Questions[Q][0]; answer: Questions[Q][1] } | null>(null);
  let failed = $state.raw<{ key: string; words: string } | null>(null);
  let times = $state(0);
  $effect(() => {
    const mine = key;
    void times;
    againWhenOnline();
    if (mine === "null") return;
    const given = JSON.parse(mine) as Questions[Q][0];
    return heard(
      lab().text(question, given),
      (answer) => { held = { key: mine, body: given, answer }; failed = null; },
      (error) => (failed = { key: mine, words: words(error) }),
    );
  });
  return {
    get held() { return held; },
    get current() { return held?.key === key; },
    get waiting() { return key !== "null" && held?.key !== key && failed?.key !== key; },
    get error() { return failed?.key === key ? failed.words : ""; },
    again() { failed = null; times += 1; },
  };
}

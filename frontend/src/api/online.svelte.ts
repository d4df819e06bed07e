/** Coming back after an interruption. */
import { createSubscriber } from "svelte/reactivity";
import { on } from "svelte/events";

/** To be called in an effect, which runs again when the browser is online again. What had been answered is not asked twice. */
export const againWhenOnline = createSubscriber((update) => on(window, "online", update));

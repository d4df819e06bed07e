/** State <-> the query of a URL, without loss. What equals its default is left out. */

export interface Codec<T> {
  /** The values under the key, in order; none at all stands for nothing but the default. */
  readonly write: (value: T) => string[];
  /** undefined for what no `write` could have written. */
  readonly read: (texts: readonly string[]) => T | undefined;
}

const one = <T>(write: (value: T) => string, read: (text: string) => T | undefined): Codec<T> => ({
  write: (value) => [write(value)],
  read: (texts) => (texts.length === 1 ? read(texts[0] ?? "") : undefined),
});

export const text: Codec<string> = one((value) => value, (given) => given);
export const real: Codec<number> = one((value) => (Object.is(value, -0) ? "-0" : String(value)), (given) => {
  const value = Number(given);
  return given.trim() === "" || !Number.isFinite(value) ? undefined : value;
});
export const truth: Codec<boolean> = one((value) => (value ? "yes" : "no"), (given) =>
  given === "yes" ? true : given === "no" ? false : undefined,
);
export const choice = <const T extends string>(...known: readonly T[]): Codec<T> =>
  one((value: T) => value, (given) => known.find((name) => name === given));

/** null is the word `none`; a written value that would be read as that word gets a tilde in front. */
export const maybe = <T>(inner: Codec<T>): Codec<T | null> => ({
  write: (value) => (value === null ? ["none"] : inner.write(value).map((given) => (/^~*none$/.test(given) ? `~${given}` : given))),
  read: (texts) => {
    if (texts.length === 1 && texts[0] === "none") return null;
    return inner.read(texts.map((given) => (/^~+none$/.test(given) ? given.slice(1) : given)));
  },
});

/** The key repeated for each item; a lone empty value is the empty list, so an empty item is a tilde. */
export const list = <T>(inner: Codec<T>): Codec<readonly T[]> => ({
  write: (values) => {
    const texts = values.map((value) => inner.write(value)[0] ?? "").map((given) => (/^~*$/.test(given) ? `~${given}` : given));
    return texts.length ? texts : [""];
  },
  read: (texts) => {
    if (texts.length === 1 && texts[0] === "") return [];
    const found = texts.map((given) => inner.read([/^~+$/.test(given) ? given.slice(1) : given]));
    return found.some((value) => value === undefined) ? undefined : (found as T[]);
  },
});

/** A name with options: the name alone, or `name:{"option":value}`. */
export interface Named {
  readonly name: string;
  readonly options: Readonly<Record<string, string | number | boolean>>;
}

export const named: Codec<Named> = one(
  ({ name, options }) => encodeURIComponent(name) + (Object.keys(options).length ? `:${JSON.stringify(options)}` : ""),
  (given) => {
    const colon = given.indexOf(":");
    try {
      const name = decodeURIComponent(colon < 0 ? given : given.slice(0, colon));
      const options: unknown = colon < 0 ? {} : JSON.parse(given.slice(colon + 1));
      if (options === null || typeof options !== "object" || Array.isArray(options)) return undefined;
      if (!Object.values(options).every((value) => ["string", "number", "boolean"].includes(typeof value))) return undefined;
      return { name, options: options as Named["options"] };
    } catch {
      return undefined; // no JSON: a link that somebody shortened
    }
  },
);

export type Codecs<S> = { readonly [K in keyof S]: Codec<S[K]> };

export function encode<S extends object>(state: S, defaults: S, codecs: Codecs<S>): string {
  const query = new URLSearchParams();
  for (const key of Object.keys(codecs) as (keyof S & string)[]) {
    const texts = codecs[key].write(state[key]);
    if (JSON.stringify(texts) === JSON.stringify(codecs[key].write(defaults[key]))) continue;
    for (const given of texts) query.append(key, given);
  }
  // subtle: both may stand in a query as they are, and links stay readable
  return query.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
}

/** What cannot be read keeps its default and is named in `unread`, so that nothing is lost silently. */
export function decode<S extends object>(query: string, defaults: S, codecs: Codecs<S>): { state: S; unread: string[] } {
  const given = new URLSearchParams(query);
  const state = { ...defaults };
  const unread: string[] = [];
  for (const key of Object.keys(codecs) as (keyof S & string)[]) {
    const texts = given.getAll(key);
    if (texts.length === 0) continue;
    const value = codecs[key].read(texts);
    if (value === undefined) unread.push(`${key}=${texts.join(",")}`);
    else state[key] = value;
  }
  return { state, unread };
}

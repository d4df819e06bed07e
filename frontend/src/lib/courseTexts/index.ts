/** The interface's own texts by language. A language without a catalogue of its own is served in English. */
import { en, type Texts } from "./en";
import { zhTW } from "./zhTW";

export type { Texts };

const CATALOGUES: Readonly<Record<string, Texts>> = { en, "zh-TW": zhTW };
const NAMES: Readonly<Record<string, string>> = { en: "English", "zh-TW": "繁體中文" };

export const textsIn = (language: string): Texts => CATALOGUES[language] ?? en;
/** As its speakers call it. */
export const nameOf = (language: string): string => NAMES[language] ?? language;

/** Scores of tokens as a text on their colours, as the library's pictures have it (`render/tokens.py`, `pictures/tokens.py`). */
import type { Model, Questions } from "../api/types";
import { effectLacks, labelled, type Side, textBody } from "./attention";
import { legendColours, legendNotes, LEVELS, level, type Limits, limitsOf, palette, ticks } from "./colours";

export type ScoresBody = Questions["token-scores"][0];
export type TokenScores = Questions["token-scores"][1];
export type MethodScores = TokenScores["methods"][number];

export const METHODS = ["erasure", "integrated_gradients", "attention"] as const satisfies ScoresBody["methods"];
export const METHOD_NAMES: Readonly<Record<MethodScores["method"], { name: string; meaning: string }>> = {
  erasure: { name: "Erasure", meaning: "by how much the logit or number falls when the token alone is masked" },
  kernel_shap: { name: "Kernel SHAP", meaning: "the token's Shapley value: what showing it adds, the mean over all orders of showing the tokens" },
  input_x_gradient: { name: "Input × gradient", meaning: "the gradient at the token's embedding, times that embedding" },
  integrated_gradients: { name: "Integrated gradients", meaning: "what the token adds to the logit or number on the way from a text of masks to this one" },
  attention: { name: "Attention", meaning: "what the token receives, the mean over layers, heads and tokens; it does not know the answer" },
  rollout: { name: "Attention rollout", meaning: "what the answer's places have of the token at the last layer, by attention alone" },
  random: { name: "Random", meaning: "noise, to compare with" },
};

/** Everything is said, so that the record holds it. */
export const scoresBody = (side: Side, masked: number[], words: boolean, model: Model | undefined): ScoresBody => ({
  ...textBody(side), masked, methods: [...METHODS], target: targetOf(side, model) || null, by_word: words, steps: 32, samples: 1000, evidence: true, budget: 1, seed: 0,
});

/** The class or number asked about, empty for the likeliest class. Of several numbers none is likelier, so that it is the first. */
export const targetOf = ({ target }: Side, model: Model | undefined): string =>
  target || (model?.heads_for.includes("regression") ? (model.labels[0] ?? "") : "");

/** What is to be known where scores are of words. */
export const BY_WORD = "Whole words: scores are summed over a word’s pieces; the evidence is on the pieces.";

/** What lacks before tokens can be scored: as for the effect of heads, but of masked tokens there must be one. */
export function scoresLacks(model: Model | undefined, side: Side, masked: number): "" | "head" | "pair" | "mask" | "one" {
  const lacks = effectLacks(model, side, masked);
  if (lacks === "probability") return "";
  return lacks === "" && masked > 1 && model?.heads_for.includes("masked_words") ? "one" : lacks;
}

/** From white on: a text on black would be hard to read, and red and blue mean a sign. ColorBrewer's Purples, as matplotlib has them. */
const PURPLES = [[252, 251, 253], [239, 237, 245], [218, 218, 235], [188, 189, 220], [158, 154, 200], [128, 125, 186], [106, 81, 163], [84, 39, 143], [63, 0, 125]] as const;
export type Colour = readonly [number, number, number];
export function purple(share: number): Colour {
  const place = Math.min(1, Math.max(0, share)) * (PURPLES.length - 1);
  const at = Math.min(PURPLES.length - 2, Math.floor(place));
  const mixed = (c: 0 | 1 | 2): number => Math.round((PURPLES[at]?.[c] ?? 0) * (at + 1 - place) + (PURPLES[at + 1]?.[c] ?? 0) * (place - at));
  return [mixed(0), mixed(1), mixed(2)];
}
const css = ([red, green, blue]: Colour): string => `rgb(${red},${green},${blue})`;

/** Relative luminance as WCAG has it. Of black and white letters, one always has a contrast above 4.5. */
function luminance(colour: Colour): number {
  const [red, green, blue] = colour.map((c) => (c <= 10 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * (red ?? 0) + 0.7152 * (green ?? 0) + 0.0722 * (blue ?? 0);
}
export const contrast = (one: Colour, other: Colour): number => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
};
const BLACK: Colour = [0, 0, 0];
const WHITE: Colour = [255, 255, 255];
export const inkOn = (ground: Colour): string => (contrast(ground, BLACK) >= contrast(ground, WHITE) ? "#000000" : "#ffffff");

export interface Chip {
  /** Its number among the tokens. */
  readonly at: number;
  readonly text: string;
  /** null for what no score is of: it has no colour. */
  readonly score: number | null;
  /** Whether there is a space before it. */
  readonly apart: boolean;
  /** Whether it is asked about. */
  readonly marked: boolean;
  readonly ground: string;
  readonly ink: string;
}

export interface ScoredText {
  readonly parts: readonly { readonly name: string; readonly chips: readonly Chip[] }[];
  readonly within: Limits;
  readonly legend: { readonly colours: readonly string[]; readonly ticks: readonly { at: number; text: string }[]; readonly notes: readonly string[] };
}

export const scored = ({ scores }: MethodScores): number => scores.filter((score) => score !== null).length;

/** One method's scores on the text as it reads, each method on a scale of its own up to its largest. Special tokens are left out. */
export function scoredText(answer: TokenScores, method: MethodScores, texts: readonly string[]): ScoredText {
  const known = method.scores.filter((score) => score !== null);
  const scale = method.signed ? "symmetric" : "magnitude";
  const within = limitsOf([Float32Array.from(known.length ? known : [0])], scale, 1);
  const colours = method.signed ? palette(scale) : null;
  const ground = (score: number): Colour => {
    const place = level(score, within);
    return colours ? [colours[3 * place] ?? 0, colours[3 * place + 1] ?? 0, colours[3 * place + 2] ?? 0] : purple(place / (LEVELS - 1));
  };
  const names = texts.length === 1 ? [""] : answer.task === "question_answering" ? ["Question", "Passage"] : ["First", "Second"];
  const parts = names.map((name, part) => {
    const letters = [...(texts[part] ?? "")]; // subtle: the server counts characters, not UTF-16 units
    let behind = 0;
    const chips: Chip[] = [];
    answer.tokens.forEach((token, at) => {
      if (token.part !== part) return;
      const score = method.scores[at] ?? null;
      const colour = score === null ? null : ground(score);
      // subtle: some tokenizers count the space before a word to its token
      const apart = chips.length === 0 || /\s/.test(letters.slice(behind, token.start).join("") + token.text.slice(0, 1));
      behind = Math.max(behind, token.end);
      chips.push({ at, text: token.masked ? "[MASK]" : token.text.trim(), score, apart, marked: answer.places.includes(at), ground: colour ? css(colour) : "", ink: colour ? inkOn(colour) : "" });
    });
    return { name, chips };
  });
  const ramp = method.signed ? legendColours(scale, { mode: "map", strength: 1, threshold: 0, sign: "both" }) : Array.from({ length: 64 }, (_, i) => css(purple(i / 63)));
  return { parts, within, legend: { colours: ramp, ticks: ticks(within), notes: legendNotes(within, "both", false, false) } };
}

/** The tokens with the largest scores, largest first. */
export const strongestTokens = (answer: TokenScores, method: MethodScores, most: number): { at: number; text: string; score: number }[] =>
  method.scores
    .flatMap((score, at) => { const token = answer.tokens[at]; return score === null || !token ? [] : [{ at, text: labelled(token), score }]; })
    .sort((a, b) => b.score - a.score || a.at - b.at)
    .slice(0, most);

/** How the verdict on an explanation looks, on a picture as on a text. */
const LOOKS: Readonly<Record<string, "good" | "doubt" | "bad">> = {
  "holds up": "good",
  "little to explain": "doubt",
  "has not settled": "doubt",
  "no better than random": "bad",
  "does not depend on the model": "bad",
};

/** What is not known here is doubtful, as is what cannot be told. */
export const lookOf = (verdict: string): "good" | "doubt" | "bad" => LOOKS[verdict] ?? "doubt";
export const MARKS = { good: "✓", doubt: "?", bad: "✗" } as const;

/** A form from the JSON schema of a method's options, as pydantic writes it. */

export type OptionValue = string | number | boolean;
export type Options = Record<string, OptionValue>;

interface Property {
  readonly type?: string;
  readonly enum?: readonly OptionValue[];
  readonly const?: OptionValue;
  readonly default?: OptionValue;
  readonly description?: string;
  readonly title?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly format?: string;
}

export interface OptionsSchema {
  readonly properties?: Readonly<Record<string, Property>>;
}

interface Base {
  readonly name: string;
  readonly label: string;
  readonly help: string;
}
export type Field =
  | (Base & { readonly kind: "choice"; readonly choices: readonly string[]; readonly default: string })
  | (Base & { readonly kind: "switch"; readonly default: boolean })
  | (Base & { readonly kind: "text"; readonly default: string; readonly format: string })
  | (Base & {
      readonly kind: "integer" | "real";
      readonly default: number;
      readonly low: number | null;
      readonly high: number | null;
      /** Whether the lowest value itself is not allowed. */
      readonly above: boolean;
    });

/** The format of an option that takes a file from Python or a shell; the choice that wants it has the same name. */
const ELSEWHERE = "labels";

/** The options that a page can give. */
export function fieldsOf(schema: OptionsSchema): Field[] {
  const all = Object.entries(schema.properties ?? {});
  const lacking = all.some(([, { format }]) => format === ELSEWHERE) ? ELSEWHERE : null;
  return all.filter(([, { format }]) => format !== ELSEWHERE).map(([name, property]): Field => {
    const base = { name, label: name.replaceAll("_", " "), help: property.description ?? "" };
    if (property.enum) return { ...base, kind: "choice", choices: property.enum.map(String).filter((choice) => choice !== lacking), default: String(property.default ?? property.enum[0]) };
    if (property.type === "boolean") return { ...base, kind: "switch", default: property.default === true };
    if (property.type === "integer" || property.type === "number") {
      return {
        ...base,
        kind: property.type === "integer" ? "integer" : "real",
        default: Number(property.default ?? 0),
        low: property.minimum ?? property.exclusiveMinimum ?? null,
        high: property.maximum ?? property.exclusiveMaximum ?? null,
        above: property.minimum === undefined && property.exclusiveMinimum !== undefined,
      };
    }
    if (property.type === "string") return { ...base, kind: "text", default: String(property.default ?? ""), format: property.format ?? "" };
    throw new TypeError(`option ${name} is of type ${property.type ?? "unknown"}; a form knows strings, numbers, booleans and choices`);
  });
}

/** Why a number cannot be that option's value, in words; empty when it can. */
export function wrong(field: Field, text: string): string {
  if (field.kind !== "integer" && field.kind !== "real") return "";
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) return `${field.label} is a number, not “${text}”`;
  if (field.kind === "integer" && !Number.isInteger(value)) return `${field.label} is a whole number, not ${text}`;
  if (field.low !== null && (value < field.low || (field.above && value === field.low))) {
    return `${field.label} is ${field.above ? "above" : "at least"} ${field.low}, not ${text}`;
  }
  if (field.high !== null && value > field.high) return `${field.label} is at most ${field.high}, not ${text}`;
  return "";
}

/** Only what differs from the defaults: links and cache keys stay short, and equal questions are equal. */
export function withoutDefaults(schema: OptionsSchema, options: Options): Options {
  const defaults = new Map(fieldsOf(schema).map((field) => [field.name, field.default]));
  return Object.fromEntries(Object.entries(options).filter(([name, value]) => defaults.get(name) !== value));
}

/** The name of the preset that these options are, if they are one. */
export function presetOf(schema: OptionsSchema, presets: Readonly<Record<string, { options: Options }>>, options: Options): string | null {
  const given = canonical(withoutDefaults(schema, options));
  const found = Object.entries(presets).find(([, preset]) => canonical(withoutDefaults(schema, preset.options)) === given);
  return found ? found[0] : null;
}

/** JSON with sorted keys: equal values have equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  );
}

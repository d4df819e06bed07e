/** Which part of the instructors' side is open, as one word of the address: `key/lime-inside/2`. */

export const TABS = { roster: "Roster", state: "State", key: "Key", regrade: "Regrade", items: "Items", exports: "Exports" } as const;
export type Tab = keyof typeof TABS;

export interface Place {
  readonly tab: Tab;
  /** A question; "" for the first or for none. */
  readonly question: string;
  /** Of the key; null for the newest. */
  readonly version: number | null;
}

const isTab = (name: string): name is Tab => Object.hasOwn(TABS, name);

export function placeOf(address: string): Place {
  const [name = "", question = "", version = ""] = address.split("/").map(unescaped);
  const number = Number(version);
  return { tab: isTab(name) ? name : "roster", question, version: version !== "" && Number.isInteger(number) && number > 0 ? number : null };
}

export function addressOf({ tab, question, version }: Place): string {
  const parts = [tab, encodeURIComponent(question), version === null ? "" : String(version)];
  while (parts.at(-1) === "") parts.pop();
  return parts.join("/");
}

function unescaped(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a link that somebody shortened
  }
}

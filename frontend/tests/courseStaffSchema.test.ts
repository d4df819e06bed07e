/** The instructor's types are the server's: a drift does not compile, so `npm run check` is the test. */
import { expect, it } from "vitest";
import type { AuditRow, CanvasMerge, Changes, ItemAnalysis, KeyVersion, MemberRow, ReceiptCheck, Regrade, RosterReport, Scores } from "../src/api/courseStaff";
import type { components } from "../src/api/schema";

type Schemas = components["schemas"];

/** subtle: by its schema every number of the server may be null, where it is not finite; here that is never so. */
type Finite<T> = T extends object ? { readonly [K in keyof T]: Finite<NonNullable<T[K]>> } : T;

interface Said {
  members: { members: readonly MemberRow[] };
  roster: RosterReport;
  versions: { versions: readonly KeyVersion[] };
  regrade: Finite<Regrade>;
  scores: Scores;
  items: Finite<ItemAnalysis>;
  receipt: ReceiptCheck;
  audit: { rows: readonly AuditRow[] };
  canvas: CanvasMerge;
}
/** Each of these is what the page takes it for. */
const taken = (
  members: Schemas["MembersAnswer"], roster: Schemas["RosterAnswer"], versions: Schemas["KeyVersions"], regrade: Finite<Schemas["RegradeAnswer"]>, scores: Schemas["ScoresAnswer"],
  items: Finite<Schemas["ItemsAnswer"]>, receipt: Schemas["ReceiptAnswer"], audit: Schemas["AuditAnswer"], canvas: Schemas["CanvasAnswer"],
): Said => ({ members, roster, versions, regrade, scores, items, receipt, audit, canvas });
/** And this is what the server takes. */
type Fixed<T> = T extends object ? { readonly [K in keyof T]: Fixed<T[K]> } : T;
const given = (changes: Changes): Fixed<Schemas["RegradeBody"]> => ({ changes, policy: "replace", reason: "" });

it("the page takes what instructors are told for what it is", () => expect([taken.length, given.length]).toEqual([9, 1]));

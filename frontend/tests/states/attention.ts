import fc from "fast-check";
import type { AttentionState } from "../../src/lib/states/attention";
import { text } from "./values";

export const attention: fc.Arbitrary<AttentionState> = fc.record({ attentionText: text });

import fc from "fast-check";
import { type AttentionState, STATISTICS, TOOLS } from "../../src/lib/states/attention";
import { real, text } from "./values";

export const attention: fc.Arbitrary<AttentionState> = fc.record({
  attentionText: text,
  attentionPair: text,
  attentionEncoder: text,
  attentionMasked: fc.array(text),
  attentionLock: text,
  attentionEffect: fc.boolean(),
  attentionScores: fc.boolean(),
  attentionTarget: text,
  attentionBeside: fc.boolean(),
  attentionText2: text,
  attentionPair2: text,
  attentionEncoder2: text,
  attentionMasked2: fc.array(text),
  attentionLock2: text,
  attentionEffect2: fc.boolean(),
  attentionScores2: fc.boolean(),
  attentionTarget2: text,
  attentionLayer: real,
  attentionHeads: fc.option(fc.array(real)),
  attentionMass: real,
  attentionHide: fc.boolean(),
  attentionWords: fc.boolean(),
  attentionTool: fc.constantFrom(...TOOLS),
  attentionStatistic: fc.constantFrom(...STATISTICS),
});

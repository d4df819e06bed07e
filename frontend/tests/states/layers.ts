import fc from "fast-check";
import type { LayersState } from "../../src/lib/states/layers";
import { text } from "./values";

export const layers: fc.Arbitrary<LayersState> = fc.record({ layersText: text });

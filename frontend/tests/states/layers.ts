import fc from "fast-check";
import type { LayersState } from "../../src/lib/states/layers";
import { real, text } from "./values";

export const layers: fc.Arbitrary<LayersState> = fc.record({
  layersExample: text,
  layersQuestion: text,
  layersPassage: text,
  layersModels: fc.array(text),
  layersAt: fc.option(real),
  layersBasis: fc.constantFrom("layer", "shared"),
  layersWords: fc.constantFrom("all", "key", "hover"),
  layersPinned: text,
});

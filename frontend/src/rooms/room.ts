import type { Exports } from "../api/exports";
import type { Lab } from "../api/lab";
import type { Catalog } from "../api/types";
import type { State } from "../lib/state";

/** What every room is given. */
export interface RoomProps {
  lab: Lab;
  catalog: Catalog;
  state: State;
  change: (part: Partial<State>) => void;
  /** Tells what can be taken along of what is seen. */
  offer: (exports: Exports) => void;
}

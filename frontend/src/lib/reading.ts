/** What is under the cross: in brief, and with the digits that Python prints. */
import type { Cell } from "./cells";
import { brief, printed } from "./numbers";

export function measured(cell: Cell, row: number, column: number, written: (value: number) => string = brief): string {
  const step = cell.job.step;
  const value = cell.map?.[row * cell.width + column];
  if (value === undefined || !step) return "";
  const at = `row ${row}, column ${column}: ${written(value)} ${step.unit}`;
  const segment = cell.segments?.[row * cell.width + column];
  if (segment === undefined) return at;
  const error = step.extras.segment_errors?.[0]?.[segment];
  return `${at}; superpixel ${segment}${error === undefined || error === null ? "" : ` ± ${written(error)}`}`;
}

/** The same for those who want every digit. */
export const measuredExactly = (cell: Cell, row: number, column: number): string => measured(cell, row, column, printed);

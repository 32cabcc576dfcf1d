import type { CameraDetail } from "./cameras.js";

/** Number of events at each end. */
const END = 100;

/** A row of the event table. */
export interface Shown {
  readonly atMs: number;
  readonly camera: CameraDetail;
  readonly track: number;
  readonly kind: string;
  readonly label: string;
  readonly confidence: number;
}

/** The first and last events by time, added in any order. */
export class Ends {
  #kept: Shown[] = [];

  add(shown: Shown): void {
    this.#kept.push(shown);
    if (this.#kept.length >= 8 * END) this.#kept = this.rows();
  }

  /** The rows; all events if there are few. */
  rows(): Shown[] {
    const rows = this.#kept.sort((a, b) => a.atMs - b.atMs);
    return rows.length > 2 * END ? [...rows.slice(0, END), ...rows.slice(-END)] : rows;
  }
}

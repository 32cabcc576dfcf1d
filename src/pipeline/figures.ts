import type { EngineStats, SourceStats } from "./context.js";
import type { HistogramFigures } from "./histogram.js";

/** Figures of a run at one moment, as plain data that can be sent to another process. */
export interface RunFigures {
  readonly pipeline: string;
  readonly sources: readonly SourceStats[];
  readonly faces: number;
  readonly events: number;
  readonly engines: readonly EngineStats[];
  /** From a frame's arrival to its event, ms. */
  readonly eventDelayMs: HistogramFigures;
  readonly sinks: readonly {
    readonly id: string;
    readonly written: number;
    readonly lost: number;
    /** Items waiting for it. */
    readonly waiting: number;
    /** Further figures of the sink, by name, e.g. `{ dropped: 12 }`. */
    readonly figures?: Readonly<Record<string, number>>;
  }[];
  /** Frames currently leased, and slots in total. */
  readonly leased: number;
  readonly slots: number;
}

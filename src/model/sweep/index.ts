export { type Settings, SweepDefinition } from "./definition.js";
export type { RunRecord, SweepRecord } from "./record.js";
export { sweepReport } from "./report.js";
export { checkSweep, type SweepOptions, sweep, type WorkLeft } from "./sweep.js";

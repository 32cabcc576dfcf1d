export {
  ConfigError,
  DataError,
  EkspresiError,
  ModelError,
  NatsError,
  OperatorError,
  SinkError,
  SourceError,
} from "./errors.js";
export { EmotionData, EmotionEvent } from "./events/event.js";
export {
  type Cascade,
  type Detection,
  groupBoxes,
  ImageDetector,
  loadCascade,
  parseCascade,
  type ScanOptions,
  type Size,
} from "./haar/index.js";
export {
  type Box,
  type Face,
  type FaceFrame,
  type FaceModel,
  Frame,
  type FrameInfo,
  frameBytes,
  type PixelFormat,
} from "./media/frame.js";
export type { FrameMemory, FramePool, Slot } from "./media/pool.js";
export { CardMetrics, FER_LABELS, ModelCard } from "./model/card.js";
export {
  type Component,
  type Flow,
  type Kind,
  type OperatorComponent,
  operator,
  type Sink,
  type SinkComponent,
  type SourceComponent,
  sink,
  source,
} from "./pipeline/component.js";
export type {
  EngineStats,
  Log,
  LogLevel,
  RunContext,
  RunStats,
  SourceContext,
  SourceState,
  SourceStats,
} from "./pipeline/context.js";
export type { RunFigures } from "./pipeline/figures.js";
export { type LoadOptions, loadPipeline, parsePipeline } from "./pipeline/load.js";
export type { Place, Plan, PlannedNode } from "./pipeline/plan.js";
export { type RunOptions, type RunSummary, type RunView, runPlan } from "./pipeline/run.js";
export * as units from "./pipeline/units.js";
export { registry } from "./registry.js";

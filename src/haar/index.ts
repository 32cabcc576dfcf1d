export { type Cascade, loadCascade, parseCascade } from "./cascade.js";
export type { CompiledCascade } from "./compile.js";
export type { Plane } from "./detector.js";
export { type Detection, groupBoxes } from "./group.js";
export { ImageDetector } from "./image.js";
export { HaarPool } from "./pool.js";
export { readyCascade } from "./ready.js";
export type { ScanOptions, Size } from "./scales.js";

export { AugmentOptions } from "./augment.js";
export { batchSource, SamplingOptions } from "./batches.js";
export { type Batch, type BatchSource, countTable, type FaceDataset, pick, rowsOf } from "./dataset.js";
export { DataOptions, readDataset } from "./read.js";

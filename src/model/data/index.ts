export { measuredData } from "./as-trained.js";
export { AugmentOptions } from "./augment.js";
export { batchSource, SamplingOptions } from "./batches.js";
export { type Batch, type BatchSource, countTable, type FaceDataset, rowsOf } from "./dataset.js";
export { checkPaths, DataOptions, readDataset } from "./read.js";
export { isNamed } from "./split-names.js";

export { type Batch, type BatchSource, countTable, type FaceDataset, pick, rowsOf } from "./dataset.js";
export { DataOptions, readDataset } from "./read.js";

export { cardMetrics, writeMetrics } from "./card.js";
export { readHistory } from "./curves.js";
export { type Evaluation, evaluate, inputsOf } from "./evaluate.js";
export { report, type Subject } from "./report.js";

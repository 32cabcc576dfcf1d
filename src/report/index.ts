export type { Clock } from "./clock.js";
export { csvOf } from "./csv.js";
export { htmlOf } from "./html.js";
export { markdownOf } from "./markdown.js";
export { namesOf } from "./names.js";
export { type Input, readEvents } from "./read.js";
export { summarise } from "./summary.js";

import type { Layer } from "../layers/layer.js";
import { small } from "./small.js";
import { study } from "./study.js";

export { checkPictureSize } from "./picture-size.js";

/** Networks by name. Each maps the number of classes, the dropout rate and the width multiplier to a list of layers. */
export const ARCHITECTURES = { small, study } satisfies Record<
  string,
  (classes: number, dropout: number, width?: number) => Layer[]
>;

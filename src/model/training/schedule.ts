import { type Static, Type } from "typebox";

/** How the learning rate falls: the `schedule:` block of a recipe. */
export const ScheduleOptions = Type.Object({
  type: Type.Union([Type.Literal("cosine"), Type.Literal("plateau")], {
    default: "cosine",
    description:
      "`cosine`: the rate falls from its highest value to 0 over the epochs. `plateau`, the study's: a quarter of the patience without improvement divides the rate by 10, the whole patience ends the training.",
  }),
  warmup: Type.Number({
    default: 0,
    minimum: 0,
    description: "Epochs at the start of `cosine` in which the rate rises.",
  }),
  patience: Type.Integer({
    default: 20,
    minimum: 1,
    description: "For `plateau`: epochs without a lower validation loss.",
  }),
});
export type ScheduleOptions = Static<typeof ScheduleOptions>;

/** State of `plateau`. */
export interface Plateau {
  /** Lowest validation loss so far. */
  readonly best: number | null;
  /** Epochs since then. */
  readonly since: number;
  /** Factor on the learning rate. */
  readonly scale: number;
}

export const NO_PLATEAU: Plateau = { best: null, since: 0, scale: 1 };

const PLATEAU_FACTOR = 0.1;

/** Factor on the highest learning rate, 0 to 1, for step `step` (from 0). */
export function rateFactor(
  options: ScheduleOptions,
  plateau: Plateau,
  step: number,
  stepsPerEpoch: number,
  epochs: number,
): number {
  if (options.type === "plateau") return plateau.scale;
  const warm = options.warmup * stepsPerEpoch;
  if (step < warm) return (step + 1) / (warm + 1);
  const part = (step - warm) / Math.max(1, stepsPerEpoch * epochs - warm);
  return 0.5 * (1 + Math.cos(Math.PI * Math.min(1, part)));
}

/** The plateau after one more epoch. */
export function afterEpoch(options: ScheduleOptions, plateau: Plateau, loss: number): Plateau {
  const { best, since, scale } = plateau;
  if (best === null || loss < best) return { best: loss, since: 0, scale };
  const quarter = Math.max(1, Math.round(options.patience / 4));
  const now = since + 1;
  return { best, since: now, scale: now % quarter === 0 ? scale * PLATEAU_FACTOR : scale };
}

/** Whether the study's early stopping ends training here. */
export function isOver(options: ScheduleOptions, plateau: Plateau): boolean {
  return options.type === "plateau" && plateau.since >= options.patience;
}

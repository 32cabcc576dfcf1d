import type { EpochReport, StepReport } from "../model/training/index.js";
import { BAR_WIDTHS, bar } from "./bar.js";
import { clock } from "./format.js";
import type { Redrawn } from "./redrawn.js";
import { errorColumns, fitting } from "./terminal.js";

const REFRESH_MS = 200;
/** Without a terminal, an epoch may take minutes with nothing to see. */
const LOG_MS = 60_000;

/** The figures of a training run: a bar on a terminal, elsewhere a line per minute; and a line per epoch everywhere. */
export class TrainingView {
  readonly #wanted: boolean;
  readonly #draw: Redrawn;
  #shownMs = performance.now();
  /** Shown above the bar. */
  heading = "";

  constructor(wanted: boolean, draw: Redrawn) {
    this.#wanted = wanted;
    this.#draw = draw;
  }

  /** The teacher has labelled `done` pictures; training starts after the last. */
  taught(done: number, of: number): void {
    this.#show("running the teacher", done / of, `${done} of ${of} pictures`);
  }

  step({ epoch, epochs, batch, batches, loss, accuracy, imagesPerSecond }: StepReport): void {
    this.#show(
      `epoch ${epoch}/${epochs}`,
      batch / batches,
      `loss ${loss.toFixed(3)}  accuracy ${percent(accuracy)}  ${imagesPerSecond.toFixed(0)} pictures/s`,
    );
  }

  #show(what: string, done: number, figures: string): void {
    const now = performance.now();
    const columns = errorColumns();
    if (!this.#wanted || now - this.#shownMs < (columns === undefined ? LOG_MS : REFRESH_MS)) return;
    this.#shownMs = now;
    if (columns === undefined) {
      const heading = this.heading ? `${this.heading}  ` : "";
      process.stderr.write(`${heading}${what}  ${Math.floor(done * 100)} %  ${figures}\n`);
      return;
    }
    const heading = this.heading ? `${this.heading}\n` : "";
    const lines = BAR_WIDTHS.map((width) => `${what}  ${bar(done, width)}  ${figures}`);
    this.#draw(`${heading}${fitting(columns, lines)}`);
  }

  epoch(report: EpochReport, epochs: number): void {
    if (!this.#wanted) return;
    const { epoch, seconds } = report;
    const left = (seconds / epoch) * (epochs - epoch) * 1000;
    process.stderr.write(`${epochText(report, epochs)}  ${clock(seconds * 1000)}, ${clock(left)} left\n`);
  }

  /** Prints something above the bar. */
  above(say: () => void): void {
    if (this.#wanted) this.#draw.clear();
    say();
  }

  end(): void {
    if (this.#wanted) this.#draw.clear();
  }
}

/** The results of an epoch. */
export function epochText(report: EpochReport, epochs?: number): string {
  const { epoch, loss, accuracy, validationLoss, validationAccuracy } = report;
  const of = epochs === undefined ? "" : `/${epochs}`;
  return `epoch ${epoch}${of}  loss ${loss.toFixed(3)}  accuracy ${percent(accuracy)}  validation loss ${validationLoss.toFixed(3)}  accuracy ${percent(validationAccuracy)}`;
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}

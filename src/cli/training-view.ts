import type { EpochReport, StepReport } from "../model/training/index.js";
import { BAR_WIDTHS, bar } from "./bar.js";
import { clock } from "./format.js";
import type { Redrawn } from "./redrawn.js";
import { errorColumns, fitting } from "./terminal.js";

const REFRESH_MS = 200;

/** The figures of a training run: a bar on a terminal, and one line per epoch everywhere. */
export class TrainingView {
  readonly #wanted: boolean;
  readonly #draw: Redrawn;
  #drawnMs = 0;
  /** Shown above the bar. */
  heading = "";

  constructor(wanted: boolean, draw: Redrawn) {
    this.#wanted = wanted;
    this.#draw = draw;
  }

  /** The teacher has labelled `done` pictures; training starts after the last. */
  taught(done: number, of: number): void {
    this.#show((width) => `running the teacher  ${bar(done / of, width)}  ${done} of ${of} pictures`);
  }

  step({ epoch, epochs, batch, batches, loss, accuracy, imagesPerSecond }: StepReport): void {
    this.#show(
      (width) =>
        `epoch ${epoch}/${epochs}  ${bar(batch / batches, width)}  loss ${loss.toFixed(3)}  accuracy ${percent(accuracy)}  ${imagesPerSecond.toFixed(0)} images/s`,
    );
  }

  #show(line: (barWidth: number) => string): void {
    const now = performance.now();
    const columns = errorColumns();
    if (!this.#wanted || columns === undefined || now - this.#drawnMs < REFRESH_MS) return;
    this.#drawnMs = now;
    const heading = this.heading ? `${this.heading}\n` : "";
    this.#draw(`${heading}${fitting(columns, BAR_WIDTHS.map(line))}`);
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

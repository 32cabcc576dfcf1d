import { DataError } from "../../errors.js";

/** Pictures that could not be used: warns about each one, and fails if there are too many. */
export class Skipped {
  readonly #data: string;
  readonly #limit: number;
  readonly #warn: (message: string) => void;
  readonly #remedy: string;
  readonly #why: string[] = [];

  /**
   * @param limit fraction of all pictures that may be skipped
   * @param remedy what helps besides repairing them: "raise `x`"; empty if nothing does
   */
  constructor(data: string, limit: number, warn: (message: string) => void, remedy: string) {
    this.#data = data;
    this.#limit = limit;
    this.#warn = warn;
    this.#remedy = remedy;
  }

  get count(): number {
    return this.#why.length;
  }

  add(where: string, why: string): void {
    this.#why.push(`${where}: ${why}`);
    if (this.#why.length <= 20) this.#warn(`${this.#data}: skipped ${where}: ${why}`);
  }

  /** Throws `DataError` if more than the allowed fraction of `total` was skipped, or nothing is left. */
  check(total: number): void {
    if (total > this.count && this.count <= this.#limit * total) return;
    const first = this.#why[0];
    const remedy = this.#remedy && `, or ${this.#remedy}`;
    throw new DataError(
      "DATA_DAMAGED",
      total === 0
        ? `${this.#data}: it contains no pictures`
        : `${this.#data}: ${this.count} of ${total} pictures cannot be used (more than ${this.#limit * 100} %); the first is ${first}; repair or remove them${remedy}`,
    );
  }
}

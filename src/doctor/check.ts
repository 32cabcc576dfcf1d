/** One check and its result. */
export interface Check {
  readonly name: string;
  /** `missing` only matters if `required` is set. */
  readonly state: "ok" | "missing";
  /** Whether nothing runs without it. */
  readonly required: boolean;
  /** What was found, in one line. */
  readonly detail: string;
  /** How to get it, in one line. */
  readonly help?: string;
}

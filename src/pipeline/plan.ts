import type { Component } from "./component.js";

/** A place in a file, 1-based. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One component of a checked pipeline, its options parsed (units converted, defaults filled in). */
export interface PlannedNode {
  readonly id: string;
  readonly component: Component;
  readonly options: Record<string, unknown>;
  /** Ids whose output it takes; empty for sources. */
  readonly from: readonly string[];
  /** In the file, or the `--set` that gave it. */
  readonly place: Place | string;
}

/** A pipeline that fits together: kinds agree on every edge, there is no cycle, every sink is reached by a source. */
export interface Plan {
  /** Absolute path of the file, or a name in angle brackets when it did not come from one. */
  readonly file: string;
  readonly baseDir: string;
  readonly name: string;
  readonly purpose?: string;
  readonly retention?: string;
  /** In topological order. */
  readonly nodes: readonly PlannedNode[];
  /** What is no mistake, but will surprise: one line each. */
  readonly warnings: readonly string[];
  /** Ids of the sources something downstream of which draws or stores pictures: their frames carry colour. */
  readonly colour: ReadonlySet<string>;
  /** Ids of the components after which nothing looks at pixels any more. */
  readonly lastToSee: ReadonlySet<string>;
  /** By how many frames all operators before a component together may give a face late, by its id. */
  readonly late: ReadonlyMap<string, number>;
  /** True where an operator hides faces: no sink of pictures may then give away more of a recording than those. */
  readonly hides: boolean;
}

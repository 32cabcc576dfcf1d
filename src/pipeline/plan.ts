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
  /** Ids of its inputs; empty for sources. */
  readonly from: readonly string[];
  /** Place in the file, or the `--set` it comes from. */
  readonly place: Place | string;
}

/** A valid pipeline: kinds match on every edge, there are no cycles, every sink is reached from a source. */
export interface Plan {
  /** Absolute path of the file, or a name in angle brackets if there is no file. */
  readonly file: string;
  readonly baseDir: string;
  readonly name: string;
  readonly purpose?: string;
  readonly retention?: string;
  /** In topological order. */
  readonly nodes: readonly PlannedNode[];
  /** Warnings, one line each. */
  readonly warnings: readonly string[];
  /** Ids of sources whose frames carry colour because something downstream draws on or stores them. */
  readonly colour: ReadonlySet<string>;
  /** Ids of the components after which nothing reads pixels. */
  readonly lastToSee: ReadonlySet<string>;
  /** By how many frames all operators before a component together may delay a face, by the component's id. */
  readonly late: ReadonlyMap<string, number>;
  /** True if an operator hides faces: video sinks must then not reveal anything else of a recording. */
  readonly hides: boolean;
}

import type { Observable, OperatorFunction } from "rxjs";
import type { Static, TObject } from "typebox";
import { ConfigError } from "../errors.js";
import type { EmotionEvent } from "../events/event.js";
import type { FaceFrame, Frame } from "../media/frame.js";
import type { RunContext, SourceContext } from "./context.js";

/** What can flow along an edge of the graph. */
export interface Flow {
  frames: Frame;
  faces: FaceFrame;
  events: EmotionEvent;
}
/** What a component takes or gives: `frames`, `faces` or `events`. */
export type Kind = keyof Flow;

interface Described<O extends TObject> {
  /** The `type:` of the YAML file. */
  readonly type: string;
  /** One sentence for the reference and `--help`. */
  readonly summary: string;
  /** Longer text for the reference page, Markdown. What it does to back-pressure and delivery stands here. */
  readonly description?: string;
  /** Every field described, unknown keys refused (the loader adds `additionalProperties: false`). */
  readonly options: O;
  /** What options that are fine one by one have wrong together: what is told of it, and at which. */
  check?(options: Static<O>): { readonly option: string; readonly message: string } | undefined;
  /** Options that do nothing beside others, and beside which, e.g. `with standard output`: whoever gives one is warned. */
  idle?(
    options: Static<O>,
  ): { readonly names: readonly (keyof Static<O> & string)[]; readonly where: string } | undefined;
  /** One YAML list item that a test validates, e.g. `- { type: sample, fps: 5 }`. */
  readonly example: string;
  /** True when it draws on or stores pictures: its sources then carry colour (`yuv420p`) instead of luma alone. */
  readonly colour?: boolean;
}

/** Where frames come from; `source` makes one. */
export interface SourceComponent<O extends TObject = TObject> extends Described<O> {
  readonly role: "source";
  readonly gives: "frames";
  /** Live sources drop when no slot is free and are reconnected; recordings wait and end. */
  live(options: Static<O>): boolean;
  /**
   * Frames of the source, in order. Cold: opened at subscription. Completes at its end or once `context.stop`
   * is aborted; unsubscribing ends it at once. Errors with a `SourceError`.
   */
  open(options: Static<O>, context: SourceContext): Observable<Frame>;
}

/** What stands between sources and sinks; `operator` makes one. */
export interface OperatorComponent<
  O extends TObject = TObject,
  In extends Kind = Kind,
  Out extends Kind = Kind,
> extends Described<O> {
  readonly role: "operator";
  readonly takes: In;
  readonly gives: Out;
  /** Types of operators of which each must stand somewhere before this one. */
  readonly needs?: readonly string[];
  /** Types of operators that must not come after it: they would read the pixels that it changes. */
  readonly spoils?: readonly string[];
  /** True when it hides faces: then no sink may draw or store pictures that do not come through it. */
  readonly hides?: boolean;
  /** True when it never looks at pixels: what stands before it may then give a frame's slot back early. */
  readonly ignoresPixels?: boolean;
  /** By how many frames it may give a face late, in its first frames. */
  late?(options: Static<O>): number;
  /** What will surprise in options that are allowed, where a face may come so many frames `late`; told as a warning. */
  concern?(options: Static<O>, late: number): string | undefined;
  /**
   * How many frames of each source it keeps back: pools get so many slots more.
   *
   * @param late the context's
   */
  holds?(options: Static<O>, late: number): number;
  /**
   * Made once a run. What it opens it closes in `context.defer`. It passes every frame's lease on or releases it, also on
   * error and unsubscription, keeps source order per source, and passes errors on the error channel.
   */
  build(
    options: Static<O>,
    context: RunContext,
  ): OperatorFunction<Flow[In], Flow[Out]> | Promise<OperatorFunction<Flow[In], Flow[Out]>>;
}

/** Where items end. The runtime calls `write` with one item at a time and awaits it; it returns leases itself. */
export interface Sink<T> {
  /** Resolves once the item is handed over for good. Rejects with a `SinkError` when the sink cannot write any more. */
  write(item: T): void | Promise<void>;
  /**
   * Flushes and closes; called once, also after a failure. It may take its time, but no longer once the context's
   * `signal` is aborted.
   *
   * @param whole false when items are missing: the run was cut short, or this sink failed
   */
  close(whole: boolean): void | Promise<void>;
  /** What else the summary should tell, by name, e.g. `{ dropped: 12 }`; zeros are left out. */
  figures?(): Readonly<Record<string, number>>;
}

/** What items are written to; `sink` makes one. */
export interface SinkComponent<O extends TObject = TObject, In extends Kind = Kind> extends Described<O> {
  readonly role: "sink";
  readonly takes: In;
  /** A second kind that it takes where the pipeline has it, e.g. events beside the faces that they tell of. */
  readonly also?: In;
  build(options: Static<O>, context: RunContext): Sink<Flow[In]> | Promise<Sink<Flow[In]>>;
}

/** An operator whatever it takes: a function of observables of one kind is none of observables of all kinds. */
interface AnyOperator extends Omit<OperatorComponent, "build"> {
  build(
    options: Static<TObject>,
    context: RunContext,
  ): OperatorFunction<never, Flow[Kind]> | Promise<OperatorFunction<never, Flow[Kind]>>;
}

/** What a registry lists. */
export type Component = SourceComponent | AnyOperator | SinkComponent;

type Without<T, K extends keyof T> = Omit<T, K>;

/** For `check`: what `read` says of an option where it throws `ConfigError`. */
export function complaint(
  option: string,
  read: () => unknown,
): { option: string; message: string } | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return { option, message: error.message };
    throw error;
  }
}

/** Declares a source; see `src/sources/` for examples. */
export function source<O extends TObject>(
  component: Without<SourceComponent<O>, "role" | "gives">,
): SourceComponent<O> {
  return { role: "source", gives: "frames", ...component };
}

/**
 * Declares an operator; see `src/operators/sample.ts` for the smallest one. Give `build` its first parameter also where
 * there are no options (`build: (_options) => filter((frame) => ...)`): without one, what flows is not inferred.
 */
export function operator<O extends TObject, In extends Kind, Out extends Kind>(
  component: Without<OperatorComponent<O, In, Out>, "role">,
): OperatorComponent<O, In, Out> {
  return { role: "operator", ...component };
}

/** Declares a sink; see `src/sinks/console.ts` for the smallest one. */
export function sink<O extends TObject, In extends Kind>(
  component: Without<SinkComponent<O, In>, "role">,
): SinkComponent<O, In> {
  return { role: "sink", ...component };
}

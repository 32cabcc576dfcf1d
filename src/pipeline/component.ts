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

/** What is known of the frames that reach a component, before a run. */
export interface Arrival {
  /** By how many frames a face may be delayed when it first appears. */
  readonly late: number;
  /** Media time between frames of a source, at least, in ms. */
  readonly apartMs: number;
}

interface Described<O extends TObject> {
  /** The `type:` of the YAML file. */
  readonly type: string;
  /** One sentence for the reference and `--help`. */
  readonly summary: string;
  /** Longer Markdown text for the reference page, including effects on back-pressure and delivery. */
  readonly description?: string;
  /** Describes every field; unknown keys are rejected (the loader adds `additionalProperties: false`). */
  readonly options: O;
  /** Checks combinations of individually valid options; returns the offending option and a message that names it. */
  check?(options: Static<O>): { readonly option: string; readonly message: string } | undefined;
  /** Options without effect in combination with others, e.g. `with standard output`; giving one causes a warning. */
  idle?(
    options: Static<O>,
  ): { readonly names: readonly (keyof Static<O> & string)[]; readonly where: string } | undefined;
  /** One YAML list item that a test validates, e.g. `- { type: sample, fps: 5 }`. */
  readonly example: string;
  /** True if it draws on or stores frames: its sources then carry colour (`yuv420p`) instead of only luma. */
  readonly colour?: boolean;
}

/** A component that produces frames; created with `source`. */
export interface SourceComponent<O extends TObject = TObject> extends Described<O> {
  readonly role: "source";
  readonly gives: "frames";
  /** Media time between its frames, if that is known, in ms. */
  apart?(options: Static<O>): number;
  /** Live sources drop frames when no slot is free, and are reconnected; recordings wait, and end. */
  live(options: Static<O>): boolean;
  /**
   * Frames of the source, in order. Cold: opened on subscription. Completes at the end or once `context.stop`
   * is aborted; unsubscribing ends it at once. Errors with a `SourceError`.
   */
  open(options: Static<O>, context: SourceContext): Observable<Frame>;
}

/** A component between sources and sinks; created with `operator`. */
export interface OperatorComponent<
  O extends TObject = TObject,
  In extends Kind = Kind,
  Out extends Kind = Kind,
> extends Described<O> {
  readonly role: "operator";
  readonly takes: In;
  readonly gives: Out;
  /** Operator types that must all come somewhere before this one. */
  readonly needs?: readonly string[];
  /** Operator types that must not come after it, since they would read the pixels it changes. */
  readonly spoils?: readonly string[];
  /** True if it hides faces: no sink may then draw or store frames that bypass it. */
  readonly hides?: boolean;
  /** True if it never reads pixels: components before it may then return a frame's slot early. */
  readonly ignoresPixels?: boolean;
  /** By how many frames a face may be delayed when it first appears. */
  late?(options: Static<O>): number;
  /** Media time between the frames of a source that it passes on, at least, in ms. */
  apart?(options: Static<O>): number;
  /** A warning about allowed but surprising options. */
  concern?(options: Static<O>, arrival: Arrival): string | undefined;
  /**
   * How many frames of each source it holds back: pools get that many extra slots.
   *
   * @param late the context's
   */
  holds?(options: Static<O>, late: number): number;
  /**
   * Called once per run. Closes what it opens in `context.defer`. Must pass on or release every frame's lease, even on
   * error and unsubscription, keep the order within each source, and report errors on the error channel.
   */
  build(
    options: Static<O>,
    context: RunContext,
  ): OperatorFunction<Flow[In], Flow[Out]> | Promise<OperatorFunction<Flow[In], Flow[Out]>>;
}

/** Consumes items. The runtime calls `write` with one item at a time and awaits it; the runtime returns the leases. */
export interface Sink<T> {
  /** Resolves once the item is safely handed over. Rejects with a `SinkError` if the sink can no longer write. */
  write(item: T): void | Promise<void>;
  /**
   * Flushes and closes; called once, even after a failure. May take its time, until the context's `signal` is
   * aborted.
   *
   * @param whole false if items are missing because the run was cut short or this sink failed
   */
  close(whole: boolean): void | Promise<void>;
  /** Further figures for the summary, by name, e.g. `{ dropped: 12 }`; zeros are omitted. */
  figures?(): Readonly<Record<string, number>>;
}

/** A component that items are written to; created with `sink`. */
export interface SinkComponent<O extends TObject = TObject, In extends Kind = Kind> extends Described<O> {
  readonly role: "sink";
  readonly takes: In;
  /** A second kind it takes if the pipeline has it, e.g. events in addition to the faces they are about. */
  readonly also?: In;
  /** Operator types that must all come somewhere before it. */
  readonly needs?: readonly string[];
  build(options: Static<O>, context: RunContext): Sink<Flow[In]> | Promise<Sink<Flow[In]>>;
}

/** An operator of any kind: a function of observables of one kind is not assignable to one of all kinds. */
interface AnyOperator extends Omit<OperatorComponent, "build"> {
  build(
    options: Static<TObject>,
    context: RunContext,
  ): OperatorFunction<never, Flow[Kind]> | Promise<OperatorFunction<never, Flow[Kind]>>;
}

/** An entry of a registry. */
export type Component = SourceComponent | AnyOperator | SinkComponent;

type Without<T, K extends keyof T> = Omit<T, K>;

/** For `check`: turns a `ConfigError` thrown by `read` into a complaint about the option. */
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
 * Declares an operator; see `src/operators/sample.ts` for the smallest one. Give `build` its first parameter even
 * without options (`build: (_options) => filter((frame) => ...)`): otherwise the item type is not inferred.
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

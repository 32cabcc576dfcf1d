import { createHash } from "node:crypto";
import { Observable } from "rxjs";
import { Type } from "typebox";
import { OperatorError } from "../errors.js";
import type { EmotionData, EmotionEvent } from "../events/event.js";
import type { Face, FaceFrame } from "../media/frame.js";
import { operator } from "../pipeline/component.js";
import type { RunContext } from "../pipeline/context.js";
import { Duration } from "../pipeline/units.js";

type EventKind = EmotionData["kind"];

/**
 * How long after the last frame of a source that has ended, or of a camera that is away, its faces count as having left,
 * whatever other sources do, in ms.
 */
const ENDED_MS = 10_000;

/** Turns labelled faces into emotion events and returns the frames' leases. */
export const events = operator({
  type: "events",
  summary: "Turns labelled faces into emotion events.",
  description:
    "Kinds of event: `appeared` when a face is first labelled, `changed` when its label changes, `sample` at an interval, `left` when it has not been seen for `leftAfter`, or its source ended or has been away for ten seconds. Ids are stable: the same input, model and pipeline give the same ids, so a replay can be deduplicated.",
  takes: "faces",
  needs: ["track", "classify"],
  gives: "events",
  ignoresPixels: true,
  options: Type.Object({
    on: Type.Optional(
      Type.Union([Type.Literal("change"), Type.Literal("sample"), Type.Literal("both")], {
        default: "change",
        description:
          "`change`: appeared, changed, left. `sample`: one sample per `interval`. `both`: all of these.",
      }),
    ),
    interval: Type.Optional(
      Duration({ default: "1s", description: "Media time between samples of a face." }),
    ),
    leftAfter: Type.Optional(
      Duration({ default: "1s", description: "Media time without being seen after which a face has left." }),
    ),
    raw: Type.Optional(
      Type.Boolean({
        default: false,
        description: "Adds the model's own probabilities for the frame to each event.",
      }),
    ),
  }),
  example: "- { type: events, on: change }",
  build:
    ({ on = "change", interval = 1000, leftAfter = 1000, raw = false }, context) =>
    (input) =>
      new Observable<EmotionEvent>((subscriber) => {
        const maker = new EventMaker(context, raw);
        const seen = new Map<string, Map<number, Seen>>();
        const lastAtMs = new Map<string, number>();
        const send = (kind: EventKind, item: Seen) => {
          context.stats.events++;
          if (kind !== "left") context.stats.eventDelayMs.add(Math.max(0, Date.now() - item.at.wallTimeMs));
          subscriber.next(maker.make(kind, item));
        };
        const leave = (known: Map<number, Seen>, beforeMs: number, here?: ReadonlySet<number>) => {
          for (const [id, item] of known) {
            if (item.at.mediaTimeMs >= beforeMs || here?.has(id)) continue;
            known.delete(id);
            if (on !== "sample") send("left", item);
          }
        };
        // While other sources continue, nothing else indicates that an ended one has no more frames on their way; and a
        // camera that is away may never send another.
        const ending = setInterval(() => {
          for (const [source, known] of seen) {
            const state = context.stats.sources.find(({ id }) => id === source)?.state;
            const silentMs = performance.now() - (lastAtMs.get(source) ?? 0);
            const over = state === "ended" || (state === "reconnecting" && silentMs > leftAfter);
            if (over && silentMs > ENDED_MS) leave(known, Number.POSITIVE_INFINITY);
          }
        }, 1000).unref();
        const look = ({ frame, faces }: FaceFrame) => {
          lastAtMs.set(frame.source, performance.now());
          const known = seen.get(frame.source) ?? new Map<number, Seen>();
          seen.set(frame.source, known);
          // With few frames a second, a face may be in each of them and still be seen less often than `leftAfter`.
          const here = new Set(faces.map((face) => trackOf(face, context)));
          leave(known, frame.mediaTimeMs - leftAfter, here);
          for (const face of faces) {
            const before = known.get(trackOf(face, context));
            const now = observe(face, frame, before, context);
            known.set(now.track, now);
            if (on !== "sample" && !before) send("appeared", now);
            else if (on !== "sample" && before && before.label !== now.label) send("changed", now);
            if (on !== "change" && frame.mediaTimeMs >= now.nextSampleMs - 0.5) {
              now.nextSampleMs = frame.mediaTimeMs + interval;
              send("sample", now);
            }
          }
        };
        subscriber.add(() => clearInterval(ending));
        return input.subscribe({
          next: (item) => {
            try {
              look(item);
            } catch (error) {
              subscriber.error(error);
            } finally {
              item.frame.release();
            }
          },
          error: (error: unknown) => subscriber.error(error),
          complete: () => {
            for (const known of seen.values()) leave(known, Number.POSITIVE_INFINITY);
            subscriber.complete();
          },
        });
      }),
});

/** A face as it was last seen. */
interface Seen {
  readonly track: number;
  readonly face: Face;
  readonly at: {
    readonly source: string;
    readonly sequence: number;
    readonly mediaTimeMs: number;
    readonly wallTimeMs: number;
    readonly width: number;
    readonly height: number;
    readonly picture?: string;
  };
  readonly label: number;
  readonly sinceMs: number;
  nextSampleMs: number;
}

function trackOf(face: Face, context: RunContext): number {
  if (face.track !== undefined) return face.track;
  throw new OperatorError(
    "EVENTS_NEED_TRACK",
    `${context.id}: faces have no track; put a \`track\` operator before it`,
  );
}

function observe(face: Face, at: Seen["at"], before: Seen | undefined, context: RunContext): Seen {
  if (face.label === undefined || !face.probabilities)
    throw new OperatorError(
      "EVENTS_NEED_CLASSIFY",
      `${context.id}: faces have no expression; put a \`classify\` operator before it`,
    );
  const { source, sequence, mediaTimeMs, wallTimeMs, width, height, picture } = at;
  const since = before?.label === face.label ? before.sinceMs : mediaTimeMs;
  return {
    track: trackOf(face, context),
    face,
    at: {
      source,
      sequence,
      mediaTimeMs,
      wallTimeMs,
      width,
      height,
      ...(picture !== undefined && { picture }),
    },
    label: face.label,
    sinceMs: face.labelSinceMs ?? since,
    nextSampleMs: before?.nextSampleMs ?? Number.NEGATIVE_INFINITY,
  };
}

/** Creates the events of one run. */
class EventMaker {
  readonly #context: RunContext;
  readonly #raw: boolean;

  constructor(context: RunContext, raw: boolean) {
    this.#context = context;
    this.#raw = raw;
  }

  make(kind: EventKind, item: Seen): EmotionEvent {
    const { name } = this.#context.pipeline;
    const { at, track } = item;
    const stats = this.#context.stats.sources.find(({ id }) => id === at.source);
    const time = stats?.live ? at.wallTimeMs : this.#context.startedAtMs + at.mediaTimeMs;
    return {
      specversion: "1.0",
      id: this.#id(kind, item, stats?.identity ?? at.source),
      source: `/pipelines/${encodeURIComponent(name)}/sources/${encodeURIComponent(at.source)}`,
      type: `dev.ekspresi.emotion.${kind}`,
      subject: `${at.source}/${track}`,
      time: new Date(time).toISOString(),
      datacontenttype: "application/json",
      data: this.#data(kind, item),
    };
  }

  #id(kind: EventKind, { face, at, track }: Seen, identity: string): string {
    const { name } = this.#context.pipeline;
    const model = face.model ? `${face.model.name} ${face.model.version}` : "";
    const parts = [name, this.#context.id, at.source, identity, model, track, kind, at.sequence];
    return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
  }

  #data(kind: EventKind, { face, at, track, label, sinceMs }: Seen): EmotionData {
    const { pipeline } = this.#context;
    const labels = face.model?.labels ?? [];
    const steady = face.smoothed ?? face.probabilities ?? new Float32Array();
    const { x, y, width, height } = face.box;
    return {
      pipeline: pipeline.name,
      camera: at.source,
      track,
      kind,
      label: labels[label] ?? String(label),
      confidence: round(steady[label] ?? 0, 4),
      probabilities: byName(labels, steady),
      ...(this.#raw && face.probabilities && { raw: byName(labels, face.probabilities) }),
      box: { x: round(x, 1), y: round(y, 1), width: round(width, 1), height: round(height, 1) },
      relativeBox: {
        x: round(x / at.width, 4),
        y: round(y / at.height, 4),
        width: round(width / at.width, 4),
        height: round(height / at.height, 4),
      },
      frame: at.sequence,
      ...(at.picture !== undefined && { picture: at.picture }),
      mediaTimeMs: round(at.mediaTimeMs, 3),
      sinceMs: round(sinceMs, 3),
      model: { name: face.model?.name ?? "", version: face.model?.version ?? "" },
      ...(pipeline.purpose !== undefined && { purpose: pipeline.purpose }),
      ...(pipeline.retention !== undefined && { retention: pipeline.retention }),
    };
  }
}

function byName(labels: readonly string[], values: Float32Array): Record<string, number> {
  return Object.fromEntries(labels.map((label, i) => [label, round(values[i] ?? 0, 4)]));
}

function round(value: number, digits: number): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}

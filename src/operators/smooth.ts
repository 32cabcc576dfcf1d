import { map } from "rxjs";
import { Type } from "typebox";
import type { Face, FaceFrame } from "../media/frame.js";
import { argmax } from "../model/argmax.js";
import { operator } from "../pipeline/component.js";
import { Duration } from "../pipeline/units.js";

interface Settings {
  readonly method: "ema" | "vote";
  readonly halfLife: number;
  readonly window: number;
  readonly margin: number;
  readonly hold: number;
}

/** Steadies each track's label over media time. */
export const smooth = operator({
  type: "smooth",
  summary: "Steadies each face's label over time.",
  description:
    "`ema` averages the probabilities with weights that halve every `halfLife`; `vote` counts the most likely label of each frame in a window. The label changes once another leads by `margin` and the current one has lasted for `hold`. The model's own probabilities stay with the face.",
  takes: "faces",
  needs: ["track", "classify"],
  gives: "faces",
  ignoresPixels: true,
  options: Type.Object({
    method: Type.Optional(
      Type.Union([Type.Literal("ema"), Type.Literal("vote")], {
        default: "ema",
        description: "Exponential moving average, or a vote over a window.",
      }),
    ),
    halfLife: Type.Optional(
      Duration({ default: "400ms", description: "Time after which a frame's weight halves (`ema`)." }),
    ),
    window: Type.Optional(Duration({ default: "1s", description: "Length of the window (`vote`)." })),
    margin: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        default: 0.05,
        description: "Lead that another label needs to take over.",
      }),
    ),
    hold: Type.Optional(Duration({ default: "300ms", description: "Shortest time a label lasts." })),
  }),
  idle: ({ method }) =>
    method === "vote"
      ? { names: ["halfLife"], where: "with `method: vote`, which has a `window`" }
      : { names: ["window"], where: "without `method: vote`; an average has a `halfLife`" },
  example: "- { type: smooth, halfLife: 400ms, hold: 300ms }",
  build: ({ method = "ema", halfLife = 400, window = 1000, margin = 0.05, hold = 300 }) => {
    const settings: Settings = { method, halfLife, window, margin, hold };
    const tracks = new Map<string, Map<number, Steadied>>();
    return map((item: FaceFrame): FaceFrame => {
      const { source, mediaTimeMs } = item.frame;
      const known = tracks.get(source) ?? new Map<number, Steadied>();
      tracks.set(source, known);
      forget(known, mediaTimeMs);
      return { ...item, faces: item.faces.map((face) => steady(face, known, settings, mediaTimeMs)) };
    });
  },
});

/** Media time after which what an unseen track showed no longer counts, in ms; most tracks end sooner. */
const FORGET_MS = 60_000;

/** Shares and times that should be equal differ by rounding; by less than this. */
const ROUNDING = { share: 1e-6, ms: 0.5 };

interface Steadied {
  readonly mean: Float32Array;
  /** Votes in the window, oldest first. */
  readonly votes: { readonly atMs: number; readonly label: number }[];
  seenMs: number;
  label: number;
  sinceMs: number;
}

function forget(known: Map<number, Steadied>, nowMs: number): void {
  for (const [id, state] of known) if (nowMs - state.seenMs > FORGET_MS) known.delete(id);
}

function steady(face: Face, known: Map<number, Steadied>, settings: Settings, nowMs: number): Face {
  const { probabilities, track } = face;
  if (!probabilities || track === undefined) return face;
  let state = known.get(track);
  if (state) average(state, probabilities, settings, nowMs);
  else {
    const label = argmax(probabilities);
    const mean =
      settings.method === "ema" ? Float32Array.from(probabilities) : oneHot(label, probabilities.length);
    state = { mean, votes: [{ atMs: nowMs, label }], seenMs: nowMs, label, sinceMs: nowMs };
    known.set(track, state);
  }
  const leader = argmax(state.mean);
  const lead = (state.mean[leader] ?? 0) - (state.mean[state.label] ?? 0);
  const leads = lead > ROUNDING.share && lead >= settings.margin - ROUNDING.share;
  if (leads && nowMs - state.sinceMs >= settings.hold - ROUNDING.ms) {
    state.label = leader;
    state.sinceMs = nowMs;
  }
  return {
    ...face,
    smoothed: Float32Array.from(state.mean),
    label: state.label,
    labelSinceMs: state.sinceMs,
  };
}

function average(state: Steadied, probabilities: Float32Array, settings: Settings, nowMs: number): void {
  const elapsed = Math.max(0, nowMs - state.seenMs);
  state.seenMs = nowMs;
  if (settings.method === "vote") {
    state.votes.push({ atMs: nowMs, label: argmax(probabilities) });
    while (nowMs - (state.votes[0]?.atMs ?? nowMs) > settings.window) state.votes.shift();
    state.mean.fill(0);
    for (const { label } of state.votes)
      state.mean[label] = (state.mean[label] ?? 0) + 1 / state.votes.length;
    return;
  }
  const weight = settings.halfLife === 0 ? 1 : 1 - 0.5 ** (elapsed / settings.halfLife);
  for (let i = 0; i < state.mean.length; i++) {
    const mean = state.mean[i] ?? 0;
    state.mean[i] = mean + weight * ((probabilities[i] ?? 0) - mean);
  }
}

function oneHot(index: number, length: number): Float32Array {
  const values = new Float32Array(length);
  values[index] = 1;
  return values;
}

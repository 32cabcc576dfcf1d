import type { RunFigures } from "../pipeline/figures.js";
import type { HistogramFigures } from "../pipeline/histogram.js";
import type { Family, Sample } from "./exposition.js";

/** A run's figures, and what distinguishes it from other runs of the process: pipeline name, or job id. */
export interface LabelledRun {
  readonly run: string;
  readonly figures: RunFigures;
}

type Read = (figures: RunFigures) => readonly Sample[];

/** A family with samples for each run, distinguished by the label `run`. */
function family(
  name: string,
  type: Family<unknown>["type"],
  help: string,
  read: Read,
): Family<readonly LabelledRun[]> {
  return {
    name,
    type,
    help,
    read: (runs) =>
      runs.flatMap(({ run, figures }) =>
        read(figures).map((sample) => ({ ...sample, labels: { run, ...sample.labels } })),
      ),
  };
}

const one = (value: number): Sample[] => [{ labels: {}, value }];
const ofSources =
  (value: (source: RunFigures["sources"][number]) => number): Read =>
  ({ sources }) =>
    sources.map((source) => ({ labels: { source: source.id }, value: value(source) }));
const ofSinks =
  (value: (sink: RunFigures["sinks"][number]) => number): Read =>
  ({ sinks }) =>
    sinks.map((sink) => ({ labels: { sink: sink.id }, value: value(sink) }));
const ofEngines =
  (value: (engine: RunFigures["engines"][number]) => number): Read =>
  ({ engines }) =>
    engines.map((engine) => ({ labels: { operator: engine.id }, value: value(engine) }));

/** Metrics of each run. */
export const RUN_FAMILIES = [
  family(
    "ekspresi_source_up",
    "gauge",
    "1 while the source delivers frames; 0 while it is opening or reconnecting, or has ended. `kind` is camera or recording.",
    ({ sources }) =>
      sources.map(({ id, live, state }) => ({
        labels: { source: id, kind: live ? "camera" : "recording" },
        value: state === "running" ? 1 : 0,
      })),
  ),
  family(
    "ekspresi_source_frames_total",
    "counter",
    "Frames read from the source, including dropped ones.",
    ofSources(({ decoded }) => decoded),
  ),
  family(
    "ekspresi_source_frames_dropped_total",
    "counter",
    "Frames of a camera dropped because the pipeline was busy.",
    ofSources(({ dropped }) => dropped),
  ),
  family(
    "ekspresi_source_reconnects_total",
    "counter",
    "Number of times the camera was reopened after a failure.",
    ofSources(({ reconnects }) => reconnects),
  ),
  family(
    "ekspresi_source_media_time_seconds",
    "gauge",
    "Media time of the newest frame.",
    ofSources(({ mediaTimeMs }) => mediaTimeMs / 1000),
  ),
  family(
    "ekspresi_source_duration_seconds",
    "gauge",
    "Media time at which a recording ends, if known.",
    ({ sources }) =>
      sources.flatMap(({ id, durationMs }) =>
        durationMs === undefined ? [] : [{ labels: { source: id }, value: durationMs / 1000 }],
      ),
  ),
  family("ekspresi_frame_slots", "gauge", "Frame slots of all sources.", ({ slots }) => one(slots)),
  family("ekspresi_frame_slots_leased", "gauge", "Frame slots in use.", ({ leased }) => one(leased)),
  family("ekspresi_faces_total", "counter", "Faces found.", ({ faces }) => one(faces)),
  family("ekspresi_events_total", "counter", "Emotion events made.", ({ events }) => one(events)),
  family(
    "ekspresi_event_delay_seconds",
    "histogram",
    "Time from a frame's arrival to its event (without `left` events).",
    ({ eventDelayMs }) => histogram(eventDelayMs),
  ),
  family(
    "ekspresi_engine_info",
    "gauge",
    "Always 1; the labels give the model and what runs it.",
    ({ engines }) =>
      engines.map(({ id, model, version, provider }) => ({
        labels: { operator: id, model, version, provider },
        value: 1,
      })),
  ),
  family(
    "ekspresi_engine_batches_total",
    "counter",
    "Batches of faces classified.",
    ofEngines(({ batches }) => batches),
  ),
  family(
    "ekspresi_engine_faces_total",
    "counter",
    "Faces in those batches.",
    ofEngines(({ faces }) => faces),
  ),
  family(
    "ekspresi_engine_busy_seconds_total",
    "counter",
    "Time during which a batch was in progress.",
    ofEngines(({ busyMs }) => busyMs / 1000),
  ),
  family(
    "ekspresi_sink_written_total",
    "counter",
    "Events or frames accepted by the sink.",
    ofSinks(({ written }) => written),
  ),
  family(
    "ekspresi_sink_lost_total",
    "counter",
    "Events or frames lost because the sink failed.",
    ofSinks(({ lost }) => lost),
  ),
  family(
    "ekspresi_sink_waiting",
    "gauge",
    "Events or frames waiting for the sink.",
    ofSinks(({ waiting }) => waiting),
  ),
  family(
    "ekspresi_sink_unsent",
    "gauge",
    "Events in the spool or buffer of a `nats` sink that the server has not accepted.",
    ({ sinks }) =>
      sinks.flatMap(({ id, figures }) =>
        figures?.waiting === undefined ? [] : [{ labels: { sink: id }, value: figures.waiting }],
      ),
  ),
  family(
    "ekspresi_sink_dropped_total",
    "counter",
    "Events that a `nats` sink accepted but did not deliver, by reason: full (oldest events dropped from a full spool or buffer), connection (it broke while they were in flight; they may have arrived).",
    ({ sinks }) =>
      sinks.flatMap(({ id, figures: { dropped, unconfirmed } = {} }) =>
        Object.entries({ full: dropped, connection: unconfirmed }).flatMap(([reason, value]) =>
          value === undefined ? [] : [{ labels: { sink: id, reason }, value }],
        ),
      ),
  ),
];

/** Converts a histogram of milliseconds to seconds, with cumulative buckets as the format requires. */
function histogram({ bounds, counts, sum }: HistogramFigures): Sample[] {
  let count = 0;
  const buckets = counts.map((inBucket, i): Sample => {
    count += inBucket;
    const bound = bounds[i];
    return {
      suffix: "_bucket",
      labels: { le: bound === undefined ? "+Inf" : String(bound / 1000) },
      value: count,
    };
  });
  return [
    ...buckets,
    { suffix: "_sum", labels: {}, value: sum / 1000 },
    { suffix: "_count", labels: {}, value: count },
  ];
}

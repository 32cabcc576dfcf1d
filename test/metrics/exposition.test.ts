import assert from "node:assert/strict";
import fc from "fast-check";
import { exposition, type Family } from "#src/metrics/exposition.js";
import { type LabelledRun, RUN_FAMILIES } from "#src/metrics/run.js";
import { Histogram } from "#src/pipeline/histogram.js";
import { parseExposition } from "../support/exposition.js";

const gauge = (read: Family<unknown>["read"]): Family<unknown> => ({
  name: "m",
  type: "gauge",
  help: "A \\ and\na line.",
  read,
});

describe("exposition", () => {
  it("writes help, type and samples, escaping backslashes and newlines in help", () => {
    const text = exposition([gauge(() => [{ labels: { a: "1", b: "x" }, value: 0.5 }])], undefined);
    assert.equal(text, '# HELP m A \\\\ and\\na line.\n# TYPE m gauge\nm{a="1",b="x"} 0.5\n');
  });

  it("omits a family without samples", () => {
    assert.equal(exposition([gauge(() => [])], undefined), "");
  });

  it("writes numbers that JSON does not have", () => {
    const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const text = exposition([gauge(() => values.map((value) => ({ labels: {}, value })))], undefined);
    assert.deepEqual(text.split("\n").slice(2, 5), ["m NaN", "m +Inf", "m -Inf"]);
  });

  it("writes any label value and number so that a parser restores it", () => {
    const text = fc.string({ unit: fc.constantFrom(...'a1 "\\,={}é\n\r', "😀") });
    fc.assert(
      fc.property(text, fc.double(), (label, value) => {
        const text = exposition([gauge(() => [{ labels: { l: label }, value }])], undefined);
        const [sample] = parseExposition(text);
        assert.deepEqual(sample, { name: "m", labels: { l: label }, value: value === 0 ? 0 : value });
      }),
    );
  });
});

describe("metrics of a run", () => {
  const delays = new Histogram([10, 100]);
  for (const ms of [5, 10, 50, 500]) delays.add(ms);
  const run: LabelledRun = {
    run: "lobby",
    figures: {
      pipeline: "lobby",
      sources: [
        {
          id: "door",
          live: true,
          identity: "x",
          state: "running",
          decoded: 100,
          dropped: 7,
          reconnects: 2,
          mediaTimeMs: 4000,
        },
        {
          id: "hall",
          live: false,
          identity: "y",
          state: "ended",
          decoded: 25,
          dropped: 0,
          reconnects: 0,
          mediaTimeMs: 1000,
          durationMs: 1040,
        },
      ],
      faces: 12,
      events: 4,
      engines: [
        {
          id: "classify",
          model: "tiny",
          version: "1",
          provider: "onnx cpu",
          batches: 3,
          faces: 12,
          busyMs: 500,
        },
      ],
      eventDelayMs: delays,
      sinks: [
        { id: "jsonl", written: 3, lost: 1, waiting: 2 },
        { id: "nats", written: 9, lost: 0, waiting: 0, figures: { waiting: 6, dropped: 4, unconfirmed: 5 } },
        { id: "stored", written: 9, lost: 0, waiting: 0, figures: { waiting: 0, dropped: 0, duplicates: 1 } },
      ],
      leased: 5,
      slots: 12,
    },
  };
  const samples = parseExposition(exposition(RUN_FAMILIES, [run]));
  const value = (name: string, labels: Record<string, string> = {}) =>
    samples.find(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([key, wanted]) => sample.labels[key] === wanted),
    )?.value;

  it("label each source, sink and engine with its id, and each sample with its run", () => {
    assert.equal(value("ekspresi_source_frames_total", { source: "door" }), 100);
    assert.equal(value("ekspresi_source_frames_dropped_total", { source: "door" }), 7);
    assert.equal(value("ekspresi_source_up", { source: "door", kind: "camera" }), 1);
    assert.equal(value("ekspresi_source_up", { source: "hall", kind: "recording" }), 0);
    assert.equal(value("ekspresi_source_duration_seconds", { source: "door" }), undefined);
    assert.equal(value("ekspresi_source_duration_seconds", { source: "hall" }), 1.04);
    assert.equal(value("ekspresi_engine_busy_seconds_total", { operator: "classify" }), 0.5);
    assert.equal(value("ekspresi_engine_info", { provider: "onnx cpu", model: "tiny" }), 1);
    assert.equal(value("ekspresi_sink_lost_total", { sink: "jsonl" }), 1);
    assert.equal(value("ekspresi_sink_waiting", { sink: "jsonl" }), 2);
    assert(samples.every(({ labels }) => labels.run === "lobby"));
  });

  it("have the unsent and dropped events of a nats sink, from 0", () => {
    const dropped = samples.filter(({ name }) => name === "ekspresi_sink_dropped_total");
    assert.deepEqual(
      dropped.map(({ labels: { sink, reason }, value: count }) => [sink, reason, count]),
      [
        ["nats", "full", 4],
        ["nats", "connection", 5],
        ["stored", "full", 0],
      ],
    );
    assert.equal(value("ekspresi_sink_unsent", { sink: "nats" }), 6);
    assert.equal(value("ekspresi_sink_unsent", { sink: "jsonl" }), undefined);
  });

  it("have cumulative histogram buckets in seconds, with inclusive bounds", () => {
    const buckets = samples.filter(({ name }) => name === "ekspresi_event_delay_seconds_bucket");
    assert.deepEqual(
      buckets.map(({ labels, value: count }) => [labels.le, count]),
      [
        ["0.01", 2],
        ["0.1", 3],
        ["+Inf", 4],
      ],
    );
    assert.equal(value("ekspresi_event_delay_seconds_sum"), 0.565);
    assert.equal(value("ekspresi_event_delay_seconds_count"), 4);
  });

  it("have unique names of the form Prometheus requires, ending in _total for counters", () => {
    const names = RUN_FAMILIES.map(({ name }) => name);
    assert.deepEqual(names, [...new Set(names)]);
    for (const { name, type, help } of RUN_FAMILIES) {
      assert.match(name, /^ekspresi_[a-z_]+$/);
      assert.equal(name.endsWith("_total"), type === "counter", name);
      assert.match(help, /^[A-Z0-9].*\.$/);
    }
  });
});

import assert from "node:assert/strict";
import type { Face } from "#src/media/frame.js";
import { History } from "#src/sinks/web/history.js";
import { testContext } from "../../support/context.js";
import { eventOf } from "../../support/event.js";
import { faceAt, facesOf, frameOf } from "../../support/frames.js";

const MODEL = { name: "m", version: "1", labels: ["happy", "sad"] };
const face = (track: number, more: Partial<Face> = {}) =>
  faceAt(20, 20, 10, {
    track,
    label: 0,
    model: MODEL,
    probabilities: Float32Array.of(0.25, 0.75),
    smoothed: Float32Array.of(0.6, 0.4),
    ...more,
  });

describe("the page's history", () => {
  const { pool } = testContext({ slots: 1 });
  /** Adds one frame's faces and returns its slot. */
  function add(history: History, mediaTimeMs: number, faces: Face[], camera = 0) {
    const frame = frameOf(pool, 0, { mediaTimeMs });
    const points = history.addFaces(facesOf(frame, faces), camera);
    frame.release();
    return points;
  }

  it("keeps ten points per second of each face, smoothed, in thousandths", () => {
    const history = new History(60_000);
    const points = Array.from({ length: 26 }, (_, i) => add(history, i * 40, [face(1), face(2)])).flat();
    assert.deepEqual(points[0], [0, 1, 0, 0, 600, 400]);
    const times = points.filter(([, track]) => track === 2).map(([, , atMs]) => atMs);
    assert.deepEqual(times, [0, 120, 240, 360, 480, 600, 720, 840, 960]);
  });

  it("merges labels of several models into one list", () => {
    const history = new History(60_000);
    add(history, 0, [face(1)]);
    const other = { name: "n", version: "1", labels: ["sad", "bored"] };
    const [point] = add(history, 0, [face(2, { model: other, label: 1 })]);
    assert.deepEqual(history.labels, ["happy", "sad", "bored"]);
    assert.deepEqual(point, [0, 2, 0, 2, 0, 600, 400]);
  });

  it("has points of unclassified faces, but none of untracked faces", () => {
    const history = new History(60_000);
    assert.deepEqual(add(history, 0, [faceAt(9, 9, 5, { track: 4 }), faceAt(9, 9, 5)]), [[0, 4, 0, -1]]);
  });

  it("discards what is older than its span, by each camera's own time", () => {
    const history = new History(1000);
    for (let atMs = 0; atMs <= 5000; atMs += 100) add(history, atMs, [face(1)]);
    add(history, 100, [face(1)], 1);
    history.trim();
    assert.deepEqual(
      history.points.map(([camera, , atMs]) => `${camera} ${atMs}`),
      [...Array.from({ length: 11 }, (_, i) => `0 ${4000 + i * 100}`), "1 100"],
    );
  });

  it("discards faces and events older than its span even while nobody is in view", () => {
    const history = new History(1000);
    add(history, 0, [face(1)]);
    history.addEvent(eventOf(0, { camera: "test", mediaTimeMs: 0 }));
    history.addEvent(eventOf(1, { camera: "test", mediaTimeMs: 4000 }));
    history.addEvent(eventOf(2, { camera: "another", mediaTimeMs: 0 }));
    for (let atMs = 40; atMs <= 5000; atMs += 40) add(history, atMs, []);
    history.trim();
    assert.deepEqual(history.points, []);
    assert.deepEqual(
      history.events.map(({ id }) => id),
      ["event-1", "event-2"],
    );
  });

  it("is limited in number, whatever its span", () => {
    const history = new History(Number.POSITIVE_INFINITY);
    const crowd = Array.from({ length: 100 }, (_, i) => face(i + 1));
    for (let i = 0; i < 400; i++) add(history, i * 100, crowd);
    assert(history.points.length <= 22_000, String(history.points.length));
    for (let i = 0; i < 1000; i++) history.addEvent(eventOf(i));
    assert.equal(history.events.length, 200);
    assert.equal(history.events.at(-1)?.id, "event-999");
  });

  it("restarts a face if media time goes back", () => {
    const history = new History(60_000);
    add(history, 50_000, [face(1)]);
    assert.equal(add(history, 0, [face(1)]).length, 1);
  });
});

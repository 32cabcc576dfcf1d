import assert from "node:assert/strict";
import type { CameraFigures, ServerMessage } from "#src/sinks/web/protocol.js";
import { State } from "../../src/web/state.js";

const HELLO: ServerMessage = {
  type: "hello",
  protocol: 2,
  pipeline: "lobby",
  run: "1",
  cameras: [{ id: "door", live: true }],
  labels: [],
  points: [],
  events: [],
};

function figures(atMs: number, decoded: number): ServerMessage {
  const door: CameraFigures = {
    state: "running",
    decoded,
    dropped: 0,
    reconnects: 0,
    mediaTimeMs: atMs,
    latencyMs: 5,
  };
  return { type: "figures", atMs, cameras: [door], faces: 0, events: 0, queue: 0, viewers: 1 };
}

describe("the state of the live page", () => {
  it("counts frames per second by the server's clock, however late its messages arrive", () => {
    const state = new State();
    state.take(HELLO);
    for (const [atMs, decoded] of [
      [500, 1000],
      [1500, 1025],
      [2500, 1050],
      [3500, 1075],
    ] as const)
      state.take(figures(atMs, decoded));
    assert.equal(state.cameras[0]?.fps, 25);
  });

  it("counts none once the run has ended", () => {
    const state = new State();
    state.take(HELLO);
    state.take(figures(500, 0));
    state.take(figures(1500, 25));
    state.take({ type: "end" });
    assert.equal(state.cameras[0]?.fps, 0);
  });
});

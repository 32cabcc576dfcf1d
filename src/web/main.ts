import type { PictureHead } from "../sinks/web/protocol.js";
import { Cameras } from "./cameras.js";
import { Connection, type ConnectionState } from "./connection.js";
import { Controls } from "./controls.js";
import { byId, element, setText } from "./element.js";
import { Events } from "./events.js";
import { Faces } from "./faces.js";
import { count } from "./format.js";
import { State } from "./state.js";
import { Timelines } from "./timelines.js";

const REFRESH_MS = 200;

/** The header's figures, in order. */
const FIGURES = [
  ["fps", "frames read per second, all cameras"],
  ["latency", "from reading a frame to this page's server, slowest camera"],
  ["in view", "faces in view now"],
  ["events", "events made"],
  ["dropped", "frames dropped because the pipeline was busy"],
  ["queue", "frames currently in the pipeline"],
] as const;
type Figure = (typeof FIGURES)[number][0];

const state = new State();
const cameras = new Cameras(byId("cameras"), byId("news"), state);
const timelines = new Timelines(byId("charts"), state);
const faces = new Faces(byId("faces"), state, cameras);
const events = new Events(byId("events"), state);

let connection: Connection | undefined;
let line: ConnectionState = "connecting";
/** True if the server has started over while a paused page still shows the previous session. */
let behind = false;

const controls = new Controls({
  pause: (paused) => {
    connection?.watch(!paused && !document.hidden);
    if (!paused && behind) connection?.reopen();
    if (paused) refresh(); // the picture may be newer than the last refresh
    tellLine();
  },
  themed: () => {
    timelines.redraw();
  },
  camera: (index) => (index === undefined ? cameras.enlarge(undefined) : cameras.toggle(index)),
  span: (ms) => {
    timelines.spanMs = ms;
    timelines.refresh();
  },
});

connection = new Connection(
  {
    message: (message) => {
      // A paused page keeps what it shows; the server sends everything again when it resumes.
      if (message.type === "hello") behind = controls.paused && state.run !== "";
      if (behind) return;
      if (state.take(message)) begin();
      if (message.type === "labels" || message.type === "hello") drawLegend();
    },
    picture: ({ head, jpeg }) => {
      // Acknowledge only drawn pictures, so that a page that cannot keep up gets fewer.
      show(head, jpeg)
        .catch(console.error)
        .finally(() => connection?.drawn(head.camera));
    },
    state: (now) => {
      line = now;
      tellLine();
    },
  },
  !document.hidden,
);

explainFigures();
document.addEventListener("visibilitychange", () => connection?.watch(!controls.paused && !document.hidden));
setInterval(() => {
  if (!controls.paused && !document.hidden) refresh();
}, REFRESH_MS);

async function show(head: PictureHead, jpeg: Uint8Array<ArrayBuffer>): Promise<void> {
  if (controls.paused || behind) return;
  const camera = state.cameras[head.camera];
  if (camera) camera.nowMs = Math.max(camera.nowMs, head.mediaTimeMs);
  await cameras.show(head, jpeg);
}

/** A run has started, or this page has joined one. */
function begin(): void {
  document.title = `${state.pipeline} · Ekspresi`;
  const heading = byId("pipeline");
  setText(heading, state.pipeline);
  heading.title = state.pipeline;
  cameras.reset();
  timelines.reset();
  faces.reset();
  events.reset();
  refresh();
}

function refresh(): void {
  cameras.refresh();
  timelines.refresh();
  faces.refresh();
  events.refresh();
  drawFigures();
}

function tellLine(): void {
  const status = byId("status");
  status.dataset.state = controls.paused && line === "live" ? "paused" : line;
  const names = {
    connecting: "connecting",
    live: "live",
    reconnecting: "reconnecting",
    ended: "the run has ended",
  };
  setText(status, controls.paused && line === "live" ? "paused" : names[line]);
}

function drawLegend(): void {
  const items = state.labels.map((label, i) => {
    const chip = element("i");
    chip.style.background = state.colours[i] ?? "";
    return element("li", {}, chip, label);
  });
  byId("legend").replaceChildren(...items);
}

/** Hovering explains a figure in the header; the help explains them all, on touch screens too. */
function explainFigures(): void {
  byId("meanings").append(
    ...FIGURES.map(([name, about]) => element("div", {}, element("dt", {}, name), element("dd", {}, about))),
  );
}

function drawFigures(): void {
  const { totals } = state;
  if (!totals) return;
  const dropped = totals.cameras.reduce((all, camera) => all + camera.dropped, 0);
  const running = totals.cameras.filter(({ decoded }) => decoded > 0);
  const latency = Math.max(...running.map(({ latencyMs }) => latencyMs));
  const values: Record<Figure, string> = {
    fps: count(state.cameras.reduce((all, { fps }) => all + fps, 0)),
    latency:
      running.length === 0 ? "–" : latency < 1000 ? `${latency} ms` : `${(latency / 1000).toFixed(1)} s`,
    "in view": count(state.present.length),
    events: count(totals.events),
    dropped: count(dropped),
    queue: count(totals.queue),
  };
  const list = byId("figures");
  if (list.children.length === 0)
    list.append(
      ...FIGURES.map(([name, about]) =>
        element("div", { title: about }, element("dt", {}, name), element("dd")),
      ),
    );
  for (const [i, [name]] of FIGURES.entries()) {
    const cell = list.children[i]?.querySelector("dd");
    if (cell) setText(cell, values[name]);
  }
}

import { annotate } from "./operators/annotate/index.js";
import { blur } from "./operators/blur/index.js";
import { classify } from "./operators/classify.js";
import { detect } from "./operators/detect.js";
import { events } from "./operators/events.js";
import { sample } from "./operators/sample.js";
import { smooth } from "./operators/smooth.js";
import { track } from "./operators/track.js";
import type { Component } from "./pipeline/component.js";
import { consoleSink } from "./sinks/console.js";
import { jsonl } from "./sinks/jsonl.js";
import { nats } from "./sinks/nats/index.js";
import { subtitles } from "./sinks/subtitles/index.js";
import { video } from "./sinks/video.js";
import { web } from "./sinks/web/index.js";
import { file } from "./sources/file.js";
import { images } from "./sources/images.js";
import { rtsp } from "./sources/rtsp.js";
import { test } from "./sources/test.js";
import { webcam } from "./sources/webcam.js";

/** Every component that a pipeline file can name. */
export const registry: readonly Component[] = [
  file,
  images,
  rtsp,
  webcam,
  test,
  sample,
  detect,
  track,
  classify,
  smooth,
  blur,
  annotate,
  events,
  jsonl,
  nats,
  consoleSink,
  video,
  subtitles,
  web,
];

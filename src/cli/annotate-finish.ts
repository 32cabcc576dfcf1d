import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { diskReason } from "../disk.js";
import { SinkError } from "../errors.js";
import { muxerOf } from "../media/containers.js";
import type { RunSummary } from "../pipeline/run.js";
import { renameOver } from "../replace-file.js";
import { partName } from "../sinks/part-file.js";
import { eventsPart, type Job, softText, vttPart } from "./annotate-files.js";

/** Writes the unchanged recording plus the run's subtitles as a track. */
export async function addTrack(job: Job, { sources }: RunSummary, signal: AbortSignal): Promise<void> {
  const { addSubtitles } = await import("../media/mux.js");
  const { findFfmpeg } = await import("../media/ffmpeg.js");
  const { zeroOf } = await import("../media/video-info.js");
  const { video, recording, mediaTimeMs: lastMs = 0, durationMs } = sources[0] ?? {};
  const { output } = job;
  const muxer = muxerOf(output);
  if (!video || !recording || !muxer || recording.fromMs !== undefined || recording.toMs !== undefined)
    throw new SinkError(
      "ANNOTATE_SOFT",
      `${output}: --soft needs the whole recording; remove \`from\` and \`to\``,
    );
  const part = partName(output);
  const subtitles = softText(job);
  try {
    await addSubtitles(
      await findFfmpeg(),
      {
        url: recording.url,
        video,
        startMs: zeroOf(video, recording),
        lastMs,
        endMs: video.alone ? durationMs : undefined,
        subtitles,
        title: "Expressions",
        muxer,
        path: part,
      },
      signal,
    );
    await renameOver(part, output);
    await rm(subtitles);
  } catch (cause) {
    throw new SinkError("ANNOTATE_SOFT", `${output} cannot be written: ${diskReason(cause)}`, { cause });
  }
}

/** Gives the files next to the recording their final names. */
export async function nameBeside(job: Job): Promise<void> {
  const { events, csv, vtt } = job.beside;
  const written = eventsPart(job);
  try {
    if (vtt !== undefined) await renameOver(vttPart(job), vtt);
    if (csv !== undefined) {
      const { csvOf, readEvents } = await import("../report/index.js");
      const rows = csvOf(readEvents([{ name: written, from: written }]));
      await pipeline(Readable.from(rows), createWriteStream(partName(csv)));
      await renameOver(partName(csv), csv);
    }
    if (events !== undefined) await renameOver(written, events);
    else await rm(written, { force: true });
  } catch (cause) {
    const name = csv ?? events ?? vtt;
    throw new SinkError("ANNOTATE_BESIDE", `${name} cannot be written: ${diskReason(cause)}`, { cause });
  }
}

import { type Face, type FaceFrame, Frame } from "#src/media/frame.js";
import type { FramePool } from "#src/media/pool.js";

/** A leased frame of `pool`, 64x48 grey pixels unless told otherwise, at 40 ms a frame. */
export function frameOf(
  pool: FramePool,
  sequence: number,
  info: Partial<Pick<Frame, "source" | "mediaTimeMs" | "width" | "height">> = {},
): Frame {
  const { source = "test", mediaTimeMs = sequence * 40, width = 64, height = 48 } = info;
  const slot = pool.tryAcquire(width * height);
  if (!slot) throw new Error(`the test's pool of ${pool.slots} slots is too small`);
  slot.data.fill(128, 0, width * height);
  const wallTimeMs = Date.UTC(2026, 0, 2) + mediaTimeMs;
  return new Frame({ source, sequence, mediaTimeMs, wallTimeMs, width, height, format: "gray" }, slot, pool);
}

/** A square face; its centre is `x`, `y`. */
export function faceAt(x: number, y: number, size = 20, more: Partial<Face> = {}): Face {
  return { box: { x: x - size / 2, y: y - size / 2, width: size, height: size }, score: 9, ...more };
}

export function facesOf(frame: Frame, faces: readonly Face[]): FaceFrame {
  return { frame, faces, fullScan: true };
}

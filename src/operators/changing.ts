import type { OperatorFunction } from "rxjs";
import { OperatorError } from "../errors.js";
import type { FaceFrame, Frame } from "../media/frame.js";
import { FramePool } from "../media/pool.js";
import type { RunContext } from "../pipeline/context.js";
import { inOrder } from "./in-order.js";

/** Copies that may be in use at a time, besides those that later operators hold back. */
const COPIES = 4;

/**
 * Runs `change`, which writes to each frame's pixels. A frame that another branch of the graph still holds is copied
 * first, so that changes are seen only downstream.
 */
export function changing<T extends FaceFrame>(
  context: RunContext,
  change: (item: T) => void,
): OperatorFunction<T, T> {
  const pool = new FramePool(context.memory, COPIES + context.held * context.stats.sources.length);
  return inOrder(
    (item) => item.frame.source,
    async (item) => {
      const frame = await ownFrame(item.frame, pool, context);
      try {
        change({ ...item, frame });
      } catch (error) {
        if (frame !== item.frame) frame.release();
        throw error;
      }
      if (frame !== item.frame) item.frame.release();
      return { ...item, frame };
    },
    (result) => result.frame.release(),
    (item) => item.frame.release(),
  );
}

async function ownFrame(frame: Frame, pool: FramePool, context: RunContext): Promise<Frame> {
  const own = frame.exclusive ? frame : await frame.copy(pool, context.signal);
  if (!own) throw new OperatorError("ABORTED", `${context.id}: the run was stopped`);
  return own;
}

/** Turns presentation times into media times, frame after frame, ms. */
export type MediaClock = (ptsMs: number) => number;

/** A camera whose clock runs this far from ours has set it anew, ms. */
const CAMERA_DRIFT_MS = 5000;

/**
 * Of a recording: the container's own times. Where they step back (recordings that were joined, a clock that was set
 * anew) time goes on at the pace it had; a step back of less than a frame is a careless muxer's, and time waits for it.
 */
export function recordingClock(): MediaClock {
  let shiftMs = 0;
  let lastMs = Number.NaN;
  let stepMs = 0;
  return (ptsMs) => {
    let timeMs = ptsMs + shiftMs;
    if (timeMs < lastMs && timeMs <= lastMs - stepMs) {
      timeMs = lastMs + stepMs;
      shiftMs = timeMs - ptsMs;
    } else if (timeMs < lastMs) timeMs = lastMs;
    else if (!Number.isNaN(lastMs)) stepMs = timeMs - lastMs;
    lastMs = timeMs;
    return timeMs;
  };
}

/**
 * Of one session with a camera: since the camera's first frame, which `sinceFirstMs` tells in our own time, gaps
 * between sessions included; never before `latestMs`. A camera that sets its clock anew does not move media time.
 */
export function cameraClock(sinceFirstMs: () => number, latestMs: () => number): MediaClock {
  let firstPtsMs = Number.NaN;
  let startMs = 0;
  return (ptsMs) => {
    const ours = sinceFirstMs();
    const timeMs = startMs + ptsMs - firstPtsMs;
    if (Math.abs(timeMs - ours) <= CAMERA_DRIFT_MS) return Math.max(latestMs(), timeMs);
    firstPtsMs = ptsMs;
    startMs = Math.max(ours, latestMs());
    return startMs;
  };
}

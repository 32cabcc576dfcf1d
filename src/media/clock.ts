/** Converts presentation times to media times, frame by frame, in ms. */
export type MediaClock = (ptsMs: number) => number;

/** A camera whose clock differs this much from ours has reset it, in ms. */
const CAMERA_DRIFT_MS = 5000;

/**
 * Clock of a recording: the container's own times. If they step back (joined recordings, a reset clock), time continues
 * at its previous pace; if they step back by less than a frame, which is a careless muxer's doing, time waits for it.
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
 * Clock of one session with a camera: time since the camera's first frame, which `sinceFirstMs` measures by our own
 * clock, including gaps between sessions; never before `latestMs`. A camera that resets its clock does not move media
 * time.
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

/** Converts presentation times to media times, frame by frame, in ms. */
export type MediaClock = (ptsMs: number) => number;

/** A camera has reset its clock if it differs from ours by more than `driftMs`, or steps back by more than `backMs`. */
const RESET = { driftMs: 5000, backMs: 500 } as const;
/** Beyond this difference, media time runs up to this share faster or slower than the camera's clock, towards ours. */
const SLEW = { beyondMs: 500, rate: 0.001 } as const;

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
    else if (timeMs > lastMs) stepMs = timeMs - lastMs; // two frames may have the same time
    lastMs = timeMs;
    return timeMs;
  };
}

/**
 * Clock of one session with a camera: time since the camera's first frame, which `sinceFirstMs` measures by our own
 * clock, including gaps between sessions; never before `latestMs`. A camera that resets its clock does not move media
 * time, and one whose clock is a little fast or slow does not leave ours behind over the days.
 */
export function cameraClock(sinceFirstMs: () => number, latestMs: () => number): MediaClock {
  let firstPtsMs = Number.NaN;
  let startMs = 0;
  let lastPtsMs = 0;
  return (ptsMs) => {
    const ours = sinceFirstMs();
    const aheadMs = startMs + ptsMs - firstPtsMs - ours;
    if (Math.abs(aheadMs) <= RESET.driftMs && ptsMs > lastPtsMs - RESET.backMs) {
      if (Math.abs(aheadMs) > SLEW.beyondMs)
        startMs -= Math.sign(aheadMs) * SLEW.rate * Math.max(0, ptsMs - lastPtsMs);
      lastPtsMs = ptsMs;
      return Math.max(latestMs(), startMs + ptsMs - firstPtsMs);
    }
    firstPtsMs = ptsMs;
    lastPtsMs = ptsMs;
    startMs = Math.max(ours, latestMs());
    return startMs;
  };
}

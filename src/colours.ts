import picocolors from "picocolors";

// picocolors by itself also colours what runs in CI; here only a terminal is coloured, or what FORCE_COLOR asks for.
const { FORCE_COLOR, NO_COLOR, TERM } = process.env;
const wanted = (isTerminal: boolean) =>
  !NO_COLOR && (FORCE_COLOR ? FORCE_COLOR !== "0" : isTerminal && TERM !== "dumb");

/** Colours for standard output. */
export const outColours = picocolors.createColors(wanted(process.stdout.isTTY === true));
/** Colours for standard error. */
export const errorColours = picocolors.createColors(wanted(process.stderr.isTTY === true));

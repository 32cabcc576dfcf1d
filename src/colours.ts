import picocolors from "picocolors";

// By default picocolors also uses colours in CI; here only on a terminal, or if FORCE_COLOR asks for them.
const { FORCE_COLOR, NO_COLOR, TERM } = process.env;
const wanted = (isTerminal: boolean) =>
  !NO_COLOR && (FORCE_COLOR ? FORCE_COLOR !== "0" : isTerminal && TERM !== "dumb");

/** Colours for standard output. */
export const outColours = picocolors.createColors(wanted(process.stdout.isTTY === true));
/** Colours for standard error. */
export const errorColours = picocolors.createColors(wanted(process.stderr.isTTY === true));

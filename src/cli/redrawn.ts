import { errorColumns } from "./terminal.js";

/** Text on standard error that is redrawn in place. */
export interface Redrawn {
  (text: string): void;
  clear(): void;
}

/** Draws nothing, and loads nothing to draw with, where lines cannot be redrawn. */
export async function redrawn(): Promise<Redrawn> {
  if (errorColumns() === undefined) return Object.assign(() => {}, { clear: () => {} });
  const { createLogUpdate } = await import("log-update");
  return createLogUpdate(process.stderr, { showCursor: true });
}

import { errorColumns } from "./terminal.js";

/** Text on standard error, drawn again and again in its place. */
export interface Redrawn {
  (text: string): void;
  clear(): void;
}

/** Where lines cannot be redrawn nothing is drawn, and what would draw is not even loaded. */
export async function redrawn(): Promise<Redrawn> {
  if (errorColumns() === undefined) return Object.assign(() => {}, { clear: () => {} });
  const { createLogUpdate } = await import("log-update");
  return createLogUpdate(process.stderr, { showCursor: true });
}

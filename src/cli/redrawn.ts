/** Text on standard error, drawn again and again in its place. */
export interface Redrawn {
  (text: string): void;
  clear(): void;
}

/** Where standard error is no terminal nothing is drawn, and what would draw is not even loaded. */
export async function redrawn(): Promise<Redrawn> {
  if (!process.stderr.isTTY) return Object.assign(() => {}, { clear: () => {} });
  const { createLogUpdate } = await import("log-update");
  return createLogUpdate(process.stderr, { showCursor: true });
}

import { errorColours as pc } from "../colours.js";

const WIDTH = 24;

/** How much is done, as a bar and in percent, for standard error. @param part 0 to 1 */
export function bar(part: number): string {
  const full = Math.round(part * WIDTH);
  const drawn = `${"█".repeat(full)}${pc.dim("░".repeat(WIDTH - full))}`;
  return `${drawn} ${String(Math.floor(part * 100)).padStart(3)} %`;
}

import { errorColours as pc } from "../colours.js";

/** Bar widths, best first: a narrow terminal gets a short bar, or only the percentage. */
export const BAR_WIDTHS = [24, 12, 0] as const;

/** Progress as a bar and a percentage, for standard error. @param part 0 to 1 */
export function bar(part: number, width: number = BAR_WIDTHS[0]): string {
  const full = Math.round(part * width);
  const drawn = width === 0 ? "" : `${"█".repeat(full)}${pc.dim("░".repeat(width - full))} `;
  return `${drawn}${String(Math.floor(part * 100)).padStart(3)} %`;
}

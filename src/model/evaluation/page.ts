import { escaped } from "../../text.js";
import { STYLE } from "./style.js";

/** One HTML page with everything in it. */
export function page(title: string, parts: readonly string[]): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title><style>${STYLE}</style></head>
<body><main>${parts.join("\n")}</main></body></html>
`;
}

/** Of a fraction. */
export function percent(fraction: number, digits = 1): string {
  return `${(fraction * 100).toFixed(digits)} %`;
}

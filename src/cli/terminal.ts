import { stripVTControlCharacters } from "node:util";
import { columnsOf } from "../columns.js";

/**
 * Width of the terminal on standard error; undefined if lines cannot be redrawn there because it is not a terminal, has
 * no known width, or is `dumb`.
 */
export function errorColumns(): number | undefined {
  const { isTTY, columns } = process.stderr;
  return isTTY && columns > 0 && process.env.TERM !== "dumb" ? columns : undefined;
}

/** The first form that fits, else the last. */
export function fitting(columns: number, forms: readonly string[]): string {
  const fits = forms.find((form) => columnsOf(stripVTControlCharacters(form)) <= columns);
  return fits ?? forms.at(-1) ?? "";
}

/** Wraps text to the terminal's width, at most 100 columns. A terminal of unknown width says that it has none. */
export function wrap(text: string, columns: number = Math.min(process.stdout.columns || 100, 100)): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}

/** Wraps unindented lines only, so that examples and tables stay intact. Returns the text as it is without `columns`. */
export function wrapLines(text: string, columns: number | undefined): string {
  if (!columns) return text;
  return text.replace(/^\S.*$/gm, (line) => wrap(line, columns));
}

/** Control characters in damaged or hostile files would change the terminal's state. */
const CONTROL = /[^\P{Cc}\n\t]/gu;

/** Makes untrusted text safe for a terminal: control characters are shown instead of executed. */
export function printable(text: string): string {
  return text.replace(CONTROL, "\ufffd");
}

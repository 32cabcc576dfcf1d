import { stripVTControlCharacters } from "node:util";

/**
 * How wide the terminal on standard error is; nothing where lines cannot be redrawn there: it is none, does not tell its
 * width, or is `dumb`.
 */
export function errorColumns(): number | undefined {
  const { isTTY, columns } = process.stderr;
  return isTTY && columns > 0 && process.env.TERM !== "dumb" ? columns : undefined;
}

/** The first form of a line that fits, or the last. */
export function fitting(columns: number, forms: readonly string[]): string {
  const fits = forms.find((form) => stripVTControlCharacters(form).length <= columns);
  return fits ?? forms.at(-1) ?? "";
}

/** Text in lines that fit the terminal, 100 columns at most. */
export function wrap(text: string, columns: number = Math.min(process.stdout.columns ?? 100, 100)): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}

/** Wraps the lines of a text that are not indented: examples and tables stay as they are. Without `columns`, as it is. */
export function wrapLines(text: string, columns: number | undefined): string {
  if (!columns) return text;
  return text.replace(/^\S.*$/gm, (line) => wrap(line, columns));
}

/** What a file that is none, or a hostile one, may have in it would change the terminal. */
const CONTROL = /[^\P{Cc}\n\t]/gu;

/** Text from outside for a terminal: its control characters are shown, and do nothing. */
export function printable(text: string): string {
  return text.replace(CONTROL, "\ufffd");
}

import { eastAsianWidth } from "get-east-asian-width";

/** How many columns a text takes on a terminal: Chinese, Japanese and Korean characters and most emoji take two. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text.replace(/[\p{Mn}\p{Me}\p{Cf}]/gu, ""))
    columns += eastAsianWidth(character.codePointAt(0) ?? 0);
  return columns;
}

/** Like a string's own `padEnd`, in columns of a terminal. */
export function padEnd(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - columnsOf(text)));
}

/** Like a string's own `padStart`, in columns of a terminal. */
export function padStart(text: string, columns: number): string {
  return " ".repeat(Math.max(0, columns - columnsOf(text))) + text;
}

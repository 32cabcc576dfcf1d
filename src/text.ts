/** `12,345`. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** `1 frame`, `2 frames`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Control characters, line separators, and marks that turn the direction of text. */
export const UNSEEN = /[\p{Cc}\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/gu;

/** Text from outside in a line of a terminal: it stays in its line, and steers nothing. */
export function harmless(text: string): string {
  return text.replace(UNSEEN, "\ufffd");
}

/** Text from outside as HTML: it is shown as it is, and does nothing. */
export function escaped(text: string): string {
  return harmless(text).replace(/[&<>"'`]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

/** Text from outside in a line of Markdown, with nothing that Markdown or HTML would act on. */
export function plain(text: string): string {
  return text
    .replace(UNSEEN, " ")
    .replace(/\s+/g, " ")
    .replace(/[\\`*_{}[\]()#+!|~<>&:@]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

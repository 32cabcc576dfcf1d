/** A whole number as `12,345`. By hand: the first call of `toLocaleString` takes 15 ms. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 frame`, `2 frames`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Control characters, line separators, and bidirectional marks. */
export const UNSEEN = /[\p{Cc}\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/gu;

/** Untrusted text for one line of a terminal, without control characters. */
export function harmless(text: string): string {
  return text.replace(UNSEEN, "\ufffd");
}

/** Untrusted text, escaped for HTML. */
export function escaped(text: string): string {
  return harmless(text).replace(/[&<>"'`]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

/** Untrusted text for a line of Markdown, without active Markdown or HTML. */
export function plain(text: string): string {
  return text
    .replace(UNSEEN, " ")
    .replace(/\s+/g, " ")
    .replace(/[\\`*_{}[\]()#+!|~<>&:@]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

/** A table that scrolls sideways where there is no room for it, also by keyboard. */
export function scrollable(table: string, name: string): string {
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escaped(name)}">${table}</div>`;
}

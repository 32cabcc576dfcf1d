/**
 * Writes texts as bytes one after another into existing memory, because a string and an encoder call for each would
 * take longer than the actual work. Every function writes at `at` and returns the end position. If that is beyond the
 * end of `to`, there was not enough room and the output is incomplete: `Pieces` tries again.
 */

/** Up to this many bytes, a loop copies faster than a call. */
const SHORT = 24;
const ZERO = 0x30;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const PARTS = 10_000;
/** Bytes per entry of `SHARES`: its length, and up to six characters. */
const SHARE = 8;
/** 0, 0.0001, ... 1 as text: most numbers in an event, and formatting a double takes far longer. */
const SHARES = new Uint8Array((PARTS + 1) * SHARE);
for (let part = 0; part <= PARTS; part++) {
  const digits = String(part / PARTS);
  SHARES[part * SHARE] = digits.length;
  for (let i = 0; i < digits.length; i++) SHARES[part * SHARE + 1 + i] = digits.charCodeAt(i);
}

export function putBytes(to: Buffer, at: number, bytes: Uint8Array): number {
  const end = at + bytes.length;
  if (bytes.length <= SHORT) for (let i = 0; i < bytes.length; i++) to[at + i] = bytes[i] as number;
  else if (end <= to.length) to.set(bytes, at);
  return end;
}

/** Writes text as UTF-8. */
export function putText(to: Buffer, at: number, text: string): number {
  const end = putPlain(to, at, text);
  if (end >= 0) return end;
  if (at < to.length) to.write(text, at);
  return at + Buffer.byteLength(text);
}

/** Writes a JSON string with quotes. */
export function putJson(to: Buffer, at: number, text: string): number {
  const end = putPlain(to, at + 1, text);
  if (end < 0) return putText(to, at, JSON.stringify(text));
  to[at] = QUOTE;
  to[end] = QUOTE;
  return end + 1;
}

/** Writes a JSON number; `null` if it is not finite. */
export function putNumber(to: Buffer, at: number, value: number): number {
  if ((value | 0) === value && value >= 0) return putWhole(to, at, value | 0);
  const part = Math.round(value * PARTS);
  if (part >= 0 && part <= PARTS && part / PARTS === value) return putShare(to, at, part);
  return putText(to, at, Number.isFinite(value) ? String(value) : "null");
}

function putWhole(to: Buffer, at: number, value: number): number {
  let digits = 1;
  for (let limit = 10; digits < 10 && value >= limit; limit *= 10) digits++;
  for (let i = at + digits - 1; i >= at; i--) {
    const tens = (value / 10) | 0;
    to[i] = ZERO + (value - tens * 10);
    value = tens;
  }
  return at + digits;
}

function putShare(to: Buffer, at: number, part: number): number {
  const from = part * SHARE + 1;
  const length = SHARES[from - 1] as number;
  for (let i = 0; i < length; i++) to[at + i] = SHARES[from + i] as number;
  return at + length;
}

/** Writes printable ASCII that needs no JSON escapes; returns -1 for any other text. */
function putPlain(to: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === QUOTE || code === BACKSLASH) return -1;
    to[at + i] = code;
  }
  return at + text.length;
}

const PIECE = 64 * 1024;

/** Allocates memory for texts, about a hundred per piece. Returned memory is never overwritten. */
export class Pieces {
  #piece = Buffer.alloc(0);
  #used = 0;

  /** Returns what `put` writes; calls it again if there was not enough room. */
  take(put: (to: Buffer, at: number) => number): Buffer {
    let end = put(this.#piece, this.#used);
    if (end > this.#piece.length) {
      this.#piece = Buffer.allocUnsafeSlow(Math.max(PIECE, end - this.#used));
      this.#used = 0;
      end = put(this.#piece, 0);
    }
    const taken = this.#piece.subarray(this.#used, end);
    this.#used = end;
    return taken;
  }
}

/**
 * Texts as bytes, each written behind the other into memory that is there: a text of its own for each, and a call of
 * the encoder, would take longer than what is to be said. Every function writes at `at` and returns where it ended.
 * Where that is behind the end of `to`, there was no room, and what stands there is not whole: `Pieces` tries again.
 */

/** Up to so many bytes a loop copies faster than a call. */
const SHORT = 24;
const ZERO = 0x30;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const PARTS = 10_000;
/** Bytes of an entry of `SHARES`: its length, and up to six digits. */
const SHARE = 8;
/** 0, 0.0001, ... 1 as texts: most numbers of an event, and a double takes far longer to write. */
const SHARES = new Uint8Array((PARTS + 1) * SHARE);
for (let part = 0; part <= PARTS; part++) {
  const digits = Buffer.from(String(part / PARTS));
  SHARES[part * SHARE] = digits.length;
  SHARES.set(digits, part * SHARE + 1);
}

export function putBytes(to: Buffer, at: number, bytes: Uint8Array): number {
  const end = at + bytes.length;
  if (bytes.length <= SHORT) for (let i = 0; i < bytes.length; i++) to[at + i] = bytes[i] as number;
  else if (end <= to.length) to.set(bytes, at);
  return end;
}

/** In UTF-8. */
export function putText(to: Buffer, at: number, text: string): number {
  const end = putPlain(to, at, text);
  if (end >= 0) return end;
  if (at < to.length) to.write(text, at);
  return at + Buffer.byteLength(text);
}

/** As JSON, in its quotes. */
export function putJson(to: Buffer, at: number, text: string): number {
  const end = putPlain(to, at + 1, text);
  if (end < 0) return putText(to, at, JSON.stringify(text));
  to[at] = QUOTE;
  to[end] = QUOTE;
  return end + 1;
}

/** As JSON: `null` where it is not finite. */
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

/** A text of printable ASCII without what JSON escapes; where there is more in it, -1. */
function putPlain(to: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === QUOTE || code === BACKSLASH) return -1;
    to[at + i] = code;
  }
  return at + text.length;
}

const PIECE = 64 * 1024;

/** Memory for texts of which a hundred share a piece. What it gave stays as it is. */
export class Pieces {
  #piece = Buffer.alloc(0);
  #used = 0;

  /** What `put` writes; it is called again where it had no room. */
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

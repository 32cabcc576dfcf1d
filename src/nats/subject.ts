import { ConfigError } from "../errors.js";
import type { EmotionEvent } from "../events/event.js";

const FIELDS = {
  pipeline: ({ data }: EmotionEvent) => data.pipeline,
  source: ({ data }: EmotionEvent) => data.camera,
  track: ({ data }: EmotionEvent) => String(data.track),
  kind: ({ data }: EmotionEvent) => data.kind,
  label: ({ data }: EmotionEvent) => data.label,
} satisfies Record<string, (event: EmotionEvent) => string>;

export const SUBJECT_FIELDS = Object.keys(FIELDS).map((name) => `{${name}}`);

/** Builds the subjects of events from their fields. */
export interface SubjectTemplate {
  /** The subject of one event. */
  of(event: EmotionEvent): string;
  /** Matches all its subjects, with `*` for each token with a field; for streams and subscribers. */
  readonly pattern: string;
}

/** Parses a template such as `emotion.{source}.{track}`. Throws `ConfigError` if it cannot yield valid subjects. */
export function parseSubject(template: string): SubjectTemplate {
  const wrong = (what: string) => new ConfigError("NATS_SUBJECT", `\`subject\` is "${template}": ${what}`);
  const tokens = template.split(".");
  for (const token of tokens) {
    const plain = token.replace(/\{([^{}]*)\}/g, (_, name: string) => {
      if (!Object.hasOwn(FIELDS, name))
        throw wrong(`unknown field {${name}}; allowed: ${SUBJECT_FIELDS.join(", ")}`);
      return "x";
    });
    if (plain === "") throw wrong("it has an empty token; put text between the dots");
    if (/[*>]/.test(plain)) throw wrong("`*` and `>` are only for subscribers");
    if (/[\s{}\p{Cc}]/u.test(plain)) throw wrong("spaces and single braces are not allowed");
  }
  if (/^(\$|_INBOX\b)/.test(template))
    throw wrong("subjects starting with `$` or `_INBOX` are reserved for the server");
  const parts = template
    .split(/\{([^{}]*)\}/)
    .map((part, i) => (i % 2 === 0 ? part : FIELDS[part as keyof typeof FIELDS]));
  return {
    of: (event) => {
      let subject = "";
      for (const part of parts) subject += typeof part === "string" ? part : safeToken(part(event));
      return subject;
    },
    pattern: tokens.map((token) => (token.includes("{") ? "*" : token)).join("."),
  };
}

/** Cache of names as tokens: there are few, and each event needs one. */
const known = new Map<string, string>();

/**
 * A name as one token of a subject: keeps letters and digits of any script, `-` and `_`; all other characters are
 * percent-encoded as UTF-8 (`%2E`), so that different names stay different and `decodeURIComponent` restores them. An
 * empty name becomes `_`.
 */
export function safeToken(name: string): string {
  let token = known.get(name);
  if (token === undefined) {
    token = name.replace(/[^\p{L}\p{N}\p{M}_-]/gu, encode) || "_";
    if (known.size >= 1000) known.clear();
    known.set(name, token);
  }
  return token;
}

function encode(character: string): string {
  return [...Buffer.from(character)]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
    .join("");
}

/** Whether `wide` matches every subject that `narrow` matches; both may have `*` and `>`. */
export function covers(wide: string, narrow: string): boolean {
  const [a, b] = [wide.split("."), narrow.split(".")];
  for (const [i, token] of a.entries()) {
    const other = b[i];
    if (token === ">") return other !== undefined;
    if (other === undefined || other === ">") return false;
    if (token !== "*" && token !== other) return false;
  }
  return a.length === b.length;
}

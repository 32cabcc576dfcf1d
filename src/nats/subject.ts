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

/** Where events go, made of their fields. */
export interface SubjectTemplate {
  /** The subject of one event. */
  of(event: EmotionEvent): string;
  /** All its subjects, with `*` for each token that holds a field: what a stream or a subscriber asks for. */
  readonly pattern: string;
}

/** Reads a template such as `emotion.{source}.{track}`. Throws `ConfigError` where no subject can come of it. */
export function parseSubject(template: string): SubjectTemplate {
  const wrong = (what: string) => new ConfigError("NATS_SUBJECT", `\`subject\` is "${template}": ${what}`);
  const tokens = template.split(".");
  for (const token of tokens) {
    const plain = token.replace(/\{([^{}]*)\}/g, (_, name: string) => {
      if (!Object.hasOwn(FIELDS, name))
        throw wrong(`there is no field {${name}}; allowed: ${SUBJECT_FIELDS.join(", ")}`);
      return "x";
    });
    if (plain === "") throw wrong("a part between its dots is empty");
    if (/[*>]/.test(plain)) throw wrong("`*` and `>` are for those who subscribe");
    if (/[\s{}\p{Cc}]/u.test(plain)) throw wrong("spaces and single braces cannot stand in it");
  }
  if (/^(\$|_INBOX\b)/.test(template)) throw wrong("what begins with `$` or `_INBOX` belongs to the server");
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

/** Names that came before, as tokens: there are few, and an event asks for one each time. */
const known = new Map<string, string>();

/**
 * A name as one token of a subject: letters and digits of any script, `-` and `_` stay; of all else the UTF-8 bytes are
 * written as `%2E`, so that names that differ stay different and `decodeURIComponent` gives the name back. An empty
 * name, which has no such form, is `_`.
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

/** Whether every subject that `narrow` matches is matched by `wide`, both with `*` and `>`. */
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

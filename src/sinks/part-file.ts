import { extname } from "node:path";
import { ConfigError, SinkError } from "../errors.js";
import type { SourceStats } from "../pipeline/context.js";
import { identity } from "../pipeline/identity.js";

/** Name of a file in progress: `lobby.part.mp4`. */
export function partName(path: string): string {
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}.part${extension}`;
}

/** Throws `ConfigError` if a name has unknown fields. */
export function checkFields(path: string): void {
  const field = /\{[a-z]*\}/i.exec(path.replaceAll("{source}", ""))?.[0];
  if (field !== undefined) throw new ConfigError("SINK_FIELD", `unknown field ${field}; allowed: {source}`);
}

/** A source's file, with `{source}` replaced by its id. Throws if another source has the same file. */
export function ownPath(
  path: string,
  source: string,
  taken: Iterable<{ readonly path: string }>,
  id: string,
): string {
  const own = path.replaceAll("{source}", source);
  for (const other of taken)
    if (identity(other.path) === identity(own))
      throw new SinkError(
        "SINK_SOURCES",
        `${id}: several sources would write to ${path}; add {source} to its name, or select one source with \`from\``,
      );
  return own;
}

/** Whether a source was written completely: a recording to its end, a camera until it was stopped. */
export function isWhole(whole: boolean, { live, ending }: SourceStats): boolean {
  return whole && (ending === "end" || (live && ending === "stopped"));
}

import { extname } from "node:path";
import { ConfigError, SinkError } from "../errors.js";
import type { SourceStats } from "../pipeline/context.js";

/** What a file is called while it is written: `lobby.part.mp4`. */
export function partName(path: string): string {
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}.part${extension}`;
}

/** Throws `ConfigError` where a name has fields that no source fills in. */
export function checkFields(path: string): void {
  const field = /\{[a-z]*\}/i.exec(path.replaceAll("{source}", ""))?.[0];
  if (field !== undefined)
    throw new ConfigError("SINK_FIELD", `there is no field ${field}; allowed: {source}`);
}

/** A source's own file: `{source}` in the name stands for its id. Throws where another source has the same. */
export function ownPath(
  path: string,
  source: string,
  taken: Iterable<{ readonly path: string }>,
  id: string,
): string {
  const own = path.replaceAll("{source}", source);
  for (const other of taken)
    if (other.path === own)
      throw new SinkError(
        "SINK_SOURCES",
        `${id}: pictures of several sources arrive for ${path}; put {source} into its name, or take one source with \`from\``,
      );
  return own;
}

/** Whether all of a source went in: a recording to its end, a camera until it was stopped. */
export function isWhole(whole: boolean, { live, ending }: SourceStats): boolean {
  return whole && (ending === "end" || (live && ending === "stopped"));
}

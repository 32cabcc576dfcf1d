import { errorColours as pc } from "../colours.js";
import type { Log, LogLevel } from "../pipeline/context.js";
import { printable } from "./terminal.js";

export interface LogOptions {
  /** Only warnings and errors. */
  readonly quiet: boolean;
  /** JSON lines. */
  readonly json: boolean;
  /** Wraps each write, so that a status line can be hidden meanwhile. */
  readonly around: (say: () => void) => void;
}

const PAINT: Record<LogLevel, (text: string) => string> = {
  debug: pc.dim,
  info: (text) => text,
  warn: pc.yellow,
  error: pc.red,
};

/** A log on standard error, coloured on a terminal. Debug lines are shown if `DEBUG` is set. */
export function createLog({ quiet, json, around }: LogOptions): Log {
  const at = (level: LogLevel) => (message: string, fields?: Record<string, unknown>) => {
    if ((level === "debug" && !process.env.DEBUG) || (quiet && level === "info")) return;
    const line = json
      ? JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })
      : PAINT[level](
          `${level === "warn" ? "warning: " : level === "error" ? "error: " : ""}${printable(message)}`,
        );
    around(() => process.stderr.write(`${line}\n`));
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

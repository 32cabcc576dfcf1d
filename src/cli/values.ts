import { ConfigError } from "../errors.js";
import { parseDuration } from "../pipeline/quantities.js";

// Parsers for option values; each throws `ConfigError` on invalid input.

/** `80` or `80%` as 0.8. A bare `0.7` is rejected: it may be meant as 70 %. */
export function percent(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)%?$/.exec(text);
  if (!match || Number(match[1]) > 100) throw wrong(flag, text, "a percentage from 0 to 100");
  const value = Number(match[1]);
  if (!text.endsWith("%") && value > 0 && value < 1)
    throw new ConfigError(
      "USAGE",
      `${flag} ${text}: write ${Number((value * 100).toFixed(9))}%, or ${text}%`,
    );
  return value / 100;
}

/** A whole number of at least 1. */
export function whole(flag: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw wrong(flag, text, "a whole number of at least 1");
  return Number(text);
}

/** `10s` in milliseconds. */
export function duration(flag: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw wrong(flag, text, "a duration such as 400ms, 10s or 5m");
  return ms;
}

function wrong(flag: string, text: string, wanted: string): ConfigError {
  return new ConfigError("USAGE", `${flag} ${text}: must be ${wanted}`);
}

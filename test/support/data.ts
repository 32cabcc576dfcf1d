import { Default } from "typebox/value";
import { DataOptions } from "#src/model/data/index.js";

/** Options of a data set with every default filled in. */
export function optionsOf(options: Partial<DataOptions>): DataOptions {
  return Default(DataOptions, { ...options }) as DataOptions;
}

/** A log that keeps what is said. */
export function silent(): {
  infos: string[];
  warnings: string[];
  info(m: string): void;
  warn(m: string): void;
} {
  const infos: string[] = [];
  const warnings: string[] = [];
  return { infos, warnings, info: (m) => infos.push(m), warn: (m) => warnings.push(m) };
}

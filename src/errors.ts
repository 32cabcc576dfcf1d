/**
 * Base of every error that a user may see. The message is one line in the form
 * *what, where, what was expected, what to do*; it never contains secrets.
 */
export class EkspresiError extends Error {
  /** Stable, machine-readable, e.g. `SOURCE_OPEN`. */
  readonly code: string;
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The pipeline file, an option or the command line is wrong: exit code 2. */
export class ConfigError extends EkspresiError {}

/** A source could not be opened, or ended in a way a recording must not. */
export class SourceError extends EkspresiError {}

/** A cascade, a model file or its card is damaged, missing or inconsistent. */
export class ModelError extends EkspresiError {}

/** An operator failed on valid input: a worker died, an engine reported an error. */
export class OperatorError extends EkspresiError {}

/** A sink can no longer write. */
export class SinkError extends EkspresiError {}

/**
 * A NATS server could not be reached or rejected us: `NATS_UNREACHABLE` (retrying may help), `NATS_LOGIN`,
 * `NATS_TLS`, `NATS_JETSTREAM`, `NATS_PROTOCOL`, `NATS_CONNECT`.
 */
export class NatsError extends EkspresiError {}

/** A training set or recording is damaged beyond what may be skipped. */
export class DataError extends EkspresiError {}

/** Text for an unknown thrown value: its message, or the value itself. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Why something could not be read, as text for users; `diskReason` is the same for writing. */
export function readReason(cause: unknown): string {
  const { code } = cause as { code?: string };
  const known: Record<string, string> = {
    ENOENT: "no such file",
    EISDIR: "it is a folder",
    ENOTDIR: "a part of its path is a file",
    EACCES: "permission denied",
    ENAMETOOLONG: "its name is too long",
  };
  return known[code ?? ""] ?? messageOf(cause);
}

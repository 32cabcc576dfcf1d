import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { messageOf, NatsError } from "../errors.js";
import { unanswered } from "./connection.js";
import type { StreamOptions } from "./options.js";
import { covers } from "./subject.js";

/**
 * Ensures that the stream exists, creating it if requested. Rejects with a one-line `NatsError` (code `NATS_STREAM`) if
 * it does not exist, does not accept `subject`, or has other limits than `wanted` names.
 * @param subject the subjects to be published, with `*` for variable tokens
 */
export async function ensureStream(
  manager: JetStreamManager,
  wanted: StreamOptions,
  subject: string,
  shown: string,
): Promise<StreamInfo> {
  const { name } = wanted;
  const fail = (what: string, cause?: unknown) =>
    new NatsError("NATS_STREAM", `${shown}: stream ${name} ${what}`, { cause });
  let info: StreamInfo;
  try {
    info = await manager.streams.info(name);
  } catch (cause) {
    if (!(cause instanceof JetStreamApiError) || cause.status !== 404) throw unanswered(cause, shown);
    if (!wanted.create) throw fail("does not exist; create it, or set `create: true`", cause);
    return await create(manager, wanted, subject, shown);
  }
  const { config } = info;
  if (!(config.subjects ?? []).some((taken) => covers(taken, subject)))
    throw fail(`accepts ${(config.subjects ?? []).join(", ") || "no subjects"}, not ${subject}`);
  if (config.no_ack) throw fail("sends no acknowledgements (no_ack), so delivery cannot be confirmed");
  if (config.sealed) throw fail("is sealed and accepts no more messages");
  const other = differences(configOf(wanted, subject), config, wanted);
  if (other.length > 0)
    throw fail(
      `exists with different limits and is not changed: ${other.join(", ")}; remove them here, or run \`nats stream edit ${name}\``,
    );
  return info;
}

async function create(
  manager: JetStreamManager,
  wanted: StreamOptions,
  subject: string,
  shown: string,
): Promise<StreamInfo> {
  try {
    return await manager.streams.add(configOf(wanted, subject));
  } catch (cause) {
    if (!(cause instanceof JetStreamApiError)) throw unanswered(cause, shown);
    const why =
      cause.code === SUBJECTS_OVERLAP
        ? `another stream (${await takerOf(manager, subject)}) already accepts ${subject}`
        : messageOf(cause);
    throw new NatsError("NATS_STREAM", `${shown}: stream ${wanted.name} cannot be created: ${why}`, {
      cause,
    });
  }
}

const SUBJECTS_OVERLAP = 10065;

async function takerOf(manager: JetStreamManager, subject: string): Promise<string> {
  try {
    return (await manager.streams.names(subject).next()).join(", ");
  } catch {
    return "unknown";
  }
}

const NANOS = 1e6;
const DUPLICATE_WINDOW_MS = 120_000;

function configOf(wanted: StreamOptions, subject: string): StreamConfig & { name: string } {
  const { name, maxAge, maxBytes, maxMessages, whenFull, duplicateWindow, replicas, storage } = wanted;
  const window = duplicateWindow ?? DUPLICATE_WINDOW_MS;
  return {
    name,
    description: "Emotion events of Ekspresi",
    subjects: [subject],
    retention: RetentionPolicy.Limits,
    storage: storage === "memory" ? StorageType.Memory : StorageType.File,
    discard: whenFull === "refuse" ? DiscardPolicy.New : DiscardPolicy.Old,
    max_age: (maxAge ?? 0) * NANOS,
    max_bytes: maxBytes ?? -1,
    max_msgs: maxMessages ?? -1,
    num_replicas: replicas ?? 1,
    // The server rejects a duplicate window longer than the maximum age.
    duplicate_window: (maxAge ? Math.min(window, maxAge) : window) * NANOS,
  } as StreamConfig & { name: string };
}

/** Limits in the file that differ from the stream's, in the file's terms. */
function differences(ours: StreamConfig, theirs: StreamConfig, wanted: StreamOptions): string[] {
  const fields: [keyof StreamOptions, keyof StreamConfig, (value: unknown) => string][] = [
    ["maxAge", "max_age", (value) => duration(Number(value) / NANOS)],
    ["maxBytes", "max_bytes", (value) => (Number(value) < 0 ? "unlimited" : `${value}`)],
    ["maxMessages", "max_msgs", (value) => (Number(value) < 0 ? "unlimited" : `${value}`)],
    ["whenFull", "discard", (value) => (value === DiscardPolicy.New ? "refuse" : "drop-oldest")],
    ["duplicateWindow", "duplicate_window", (value) => duration(Number(value) / NANOS)],
    ["replicas", "num_replicas", String],
    ["storage", "storage", String],
  ];
  return fields
    .filter(([option, field]) => wanted[option] !== undefined && ours[field] !== theirs[field])
    .map(([option, field, text]) => `${option} is ${text(theirs[field])}, not ${text(ours[field])}`);
}

function duration(ms: number): string {
  if (ms === 0) return "unlimited";
  for (const [unit, size] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1000],
  ] as const)
    if (ms % size === 0) return `${ms / size}${unit}`;
  return `${ms}ms`;
}

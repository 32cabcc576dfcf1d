import { headers, type Msg } from "@nats-io/transport-node";
import { messageOf, NatsError, OperatorError } from "../errors.js";
import type { Engine } from "../model/engine/index.js";
import type { Model } from "../model/load.js";
import { connectNats, type Nats, type NatsOptions } from "../nats/index.js";
import {
  bytesOf,
  ERROR_HEADER,
  floatsOf,
  PROVIDER_HEADER,
  type Subjects,
  subjectsOf,
  TIMEOUT_HEADER,
  WORKER_HEADER,
} from "./protocol.js";

export interface RemoteOptions {
  readonly nats: NatsOptions;
  /** How long a response may take before another worker is asked, ms. */
  readonly timeoutMs: number;
  /** Opens a local engine if no worker answers; without it, a batch that no worker runs is an error. */
  readonly openLocal?: () => Promise<Engine>;
  readonly log: { warn(message: string): void; info(message: string): void };
}

/** After no worker answered, how long until they are asked again, ms. */
const AWAY_MS = 5000;
/** Room for headers in a message. */
const HEADERS_BYTES = 1024;
const LEAST_PAYLOAD = 64 * 1024;

/**
 * An engine whose batches are run by `pipeline worker --inference` workers. A batch goes to any of them; if that one
 * does not answer in time, to one that reports itself available; if there is none, to this machine's own engine.
 * Rejects with `NatsError` if the options are wrong, or if no server is available and there is no `openLocal`.
 */
export async function openRemoteEngine(model: Model, options: RemoteOptions): Promise<Engine> {
  const engine = new RemoteEngine(model, options);
  await engine.connect();
  return engine;
}

class RemoteEngine implements Engine {
  provider = "nats";
  readonly #model: Model;
  readonly #options: RemoteOptions;
  readonly #subjects: Subjects;
  #nats: Nats | undefined;
  #local: Promise<Engine> | undefined;
  /** Whether this machine does the work. */
  #away = false;
  #asking: Promise<void> | undefined;
  #askLater: NodeJS.Timeout | undefined;
  /** Whether workers answer, as last logged. */
  #told: "there" | "away" | undefined;
  #closed = false;

  constructor(model: Model, options: RemoteOptions) {
    this.#model = model;
    this.#options = options;
    this.#subjects = subjectsOf(model);
  }

  async connect(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      const mayCome = error instanceof NatsError && error.code === "NATS_UNREACHABLE";
      if (!mayCome || !this.#options.openLocal) throw error;
      this.#leave(messageOf(error));
    }
  }

  async run(crops: Float32Array, n: number): Promise<Float32Array> {
    const own = crops.slice(); // the caller may change its array once this returns
    if (!this.#away) {
      try {
        const probabilities = await this.#remote(own, n);
        if (this.#told === "away")
          this.#options.log.info(`model ${this.#model.card.name}: workers are answering again`);
        this.#told = "there";
        return probabilities;
      } catch (error) {
        if (this.#closed || !this.#options.openLocal)
          throw new OperatorError(
            "INFERENCE",
            `model ${this.#model.card.name}: no worker available (${messageOf(error)}); start \`pipeline worker --inference\``,
            { cause: error },
          );
        this.#leave(messageOf(error));
      }
    }
    this.#local ??= this.#options.openLocal?.();
    const local = await this.#local;
    if (!local) throw new OperatorError("INFERENCE", `model ${this.#model.card.name}: no worker available`);
    this.provider = `${local.provider} (instead of nats)`;
    return local.run(own, n);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#askLater);
    await this.#nats?.close();
    await this.#asking; // closes a connection that it still opens
    const local = await this.#local?.catch(() => undefined);
    await local?.close();
  }

  async #connect(): Promise<Nats> {
    const nats = await connectNats(this.#options.nats, {
      name: `ekspresi classify ${this.#model.card.name}`,
    });
    this.#nats = nats;
    if (this.#closed) await nats.close();
    return nats;
  }

  /** Leaves the work to this machine until a worker answers. */
  #leave(why: string): void {
    if (this.#told !== "away")
      this.#options.log.warn(
        `model ${this.#model.card.name}: ${why}; running it on this machine until a worker answers`,
      );
    this.#told = "away";
    if (!this.#away) this.#askSoon();
    this.#away = true;
  }

  #askSoon(): void {
    this.#askLater = setTimeout(() => {
      this.#asking = this.#ask();
    }, AWAY_MS).unref();
  }

  /** Whether a worker is available: asked beside the batches, which a server that hangs would hold up for seconds. */
  async #ask(): Promise<void> {
    try {
      const { connection } = this.#nats ?? (await this.#connect());
      await connection.request(this.#subjects.who, undefined, { timeout: this.#options.timeoutMs });
      this.#away = false;
    } catch {
      if (!this.#closed) this.#askSoon();
    }
  }

  async #remote(crops: Float32Array, n: number): Promise<Float32Array> {
    const nats = this.#nats;
    if (!nats) throw new OperatorError("INFERENCE", "no NATS server available");
    const { width, height } = this.#model.card.input;
    const size = width * height;
    const most = Math.max(1, Math.floor((payloadOf(nats) - HEADERS_BYTES) / (size * 4)));
    const classes = this.#model.card.labels.length;
    const probabilities = new Float32Array(n * classes);
    for (let at = 0; at < n; at += most) {
      const count = Math.min(most, n - at);
      const part = await this.#askFor(nats, crops.subarray(at * size, (at + count) * size), count);
      probabilities.set(part, at * classes);
    }
    return probabilities;
  }

  /** Asks any worker, and if that fails, one that reports itself available. */
  async #askFor({ connection }: Nats, crops: Float32Array, n: number): Promise<Float32Array> {
    const { timeoutMs } = this.#options;
    const own = headers();
    own.set(TIMEOUT_HEADER, String(timeoutMs));
    const bytes = bytesOf(crops);
    const ask = async (subject: string) =>
      this.#read(await connection.request(subject, bytes, { timeout: timeoutMs, headers: own }), n);
    try {
      return await ask(this.#subjects.any);
    } catch (first) {
      if (isNobody(first)) throw first;
      try {
        const id = await connection.request(this.#subjects.who, undefined, { timeout: timeoutMs });
        return await ask(this.#subjects.one(id.string()));
      } catch {
        throw first;
      }
    }
  }

  #read(answer: Msg, n: number): Float32Array {
    const why = answer.headers?.get(ERROR_HEADER);
    if (why) throw new OperatorError("INFERENCE", why);
    const probabilities = answer.data.length % 4 === 0 ? floatsOf(answer.data) : new Float32Array();
    if (probabilities.length !== n * this.#model.card.labels.length || !probabilities.every(Number.isFinite))
      throw new OperatorError("INFERENCE", `unexpected response of ${answer.data.length} bytes`);
    const worker = answer.headers?.get(WORKER_HEADER) ?? "?";
    this.provider = `nats ${worker} (${answer.headers?.get(PROVIDER_HEADER) ?? "?"})`;
    return probabilities;
  }
}

function payloadOf({ connection }: Nats): number {
  return Math.max(LEAST_PAYLOAD, connection.info?.max_payload ?? 2 ** 20);
}

/** Whether the server itself reports that nobody is listening, so that no one else needs to be asked. */
function isNobody(error: unknown): boolean {
  return (
    error instanceof Error &&
    (error.name === "NoRespondersError" ||
      (error.cause instanceof Error && error.cause.name === "NoRespondersError"))
  );
}

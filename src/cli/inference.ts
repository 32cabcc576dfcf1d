import type { Engine, Provider } from "../model/engine/index.js";
import type { Nats } from "../nats/index.js";
import type { Log } from "../pipeline/context.js";

export interface InferenceOptions {
  readonly nats: Nats;
  readonly name: string;
  /** Names of shipped models, or paths of model folders. */
  readonly models: readonly string[];
  readonly provider: Provider;
  readonly threads: number;
  readonly strict: boolean;
  readonly log: Log;
  readonly stop: AbortSignal;
}

/** Runs models for `classify: { engine: nats }` until `stop`. `ready` receives the function that renders their metrics. */
export async function serveInference(
  { nats, name, models, provider, threads, strict, log, stop }: InferenceOptions,
  ready: (figures: () => string) => void,
): Promise<void> {
  const { INFERENCE_FAMILIES, InferenceServer } = await import("../inference/index.js");
  const { exposition } = await import("../metrics/index.js");
  const { openEngine } = await import("../model/engine/index.js");
  const { loadModel } = await import("../model/load.js");
  const engines: Engine[] = [];
  const servers: InstanceType<typeof InferenceServer>[] = [];
  try {
    for (const named of models) {
      const model = await loadModel(named, process.cwd());
      const engine = await openEngine(model, {
        provider,
        threads,
        strict,
        warn: (message) => log.warn(message),
      });
      engines.push(engine);
      servers.push(new InferenceServer(nats, model, engine, name));
      const { card } = model;
      log.info(`worker ${name} at ${nats.shown}: running ${card.name} ${card.version} on ${engine.provider}`);
    }
    await nats.connection.flush();
    ready(() =>
      exposition(
        INFERENCE_FAMILIES,
        servers.map(({ figures }) => figures),
      ),
    );
    if (!stop.aborted)
      await new Promise((resolve) => stop.addEventListener("abort", resolve, { once: true }));
  } finally {
    for (const server of servers) await server.close();
    for (const engine of engines) await engine.close();
  }
}

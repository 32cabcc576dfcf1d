import type { Log } from "../pipeline/context.js";
import type { RunView } from "../pipeline/run.js";

/** The metrics of one run, served from before it is built until it has ended. */
export interface RunMetrics {
  started(view: RunView): void;
  close(): Promise<void>;
}

export const METRICS_HELP =
  "serves /metrics (Prometheus), /healthz and /readyz; on loopback unless a host is given; port 0: any free port";

/** @param listen `[host:]port`; without it, nothing is served */
export async function openRunMetrics(listen: string | undefined, log: Log): Promise<RunMetrics> {
  if (listen === undefined) return { started: () => {}, close: async () => {} };
  const { exposition, parseListen, PROCESS_FAMILIES, ProcessFigures, RUN_FAMILIES, serveMetrics } =
    await import("../metrics/index.js");
  const address = parseListen(listen);
  const own = new ProcessFigures();
  let view: RunView | undefined;
  const runs = () => {
    const figures = view?.figures();
    return figures ? [{ run: figures.pipeline, figures }] : [];
  };
  const server = await serveMetrics(address, {
    metrics: () => exposition(PROCESS_FAMILIES, own) + exposition(RUN_FAMILIES, runs()),
    waitingFor: () =>
      view
        ? view.stats.sources
            .filter(({ state }) => state === "opening" || state === "reconnecting")
            .map(({ id, state }) => `source ${id}: ${state}`)
        : ["starting"],
  });
  log.info(`serving metrics at ${server.url}/metrics`, { url: server.url });
  return {
    started: (started) => {
      view = started;
    },
    close: async () => {
      own.close();
      await server.close();
    },
  };
}

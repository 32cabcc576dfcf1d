import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ConfigError, EkspresiError } from "../errors.js";
import { hostPort, listenReason } from "../listening.js";
import { CONTENT_TYPE } from "./exposition.js";

/** Where to listen. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** What is served. */
export interface Probes {
  /** Returns the text of `/metrics`. */
  metrics(): string;
  /** What is not ready yet, one line each; empty if everything is ready. */
  waitingFor(): readonly string[];
}

export interface MetricsServer {
  /** E.g. `http://127.0.0.1:9464`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Parses `9464`, `0.0.0.0:9464` or `[::]:9464`. The default host is loopback. Throws `ConfigError`. */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:(\[[0-9a-f:.]+\]|[a-z0-9.-]+):)?(\d{1,5})$/i.exec(text);
  const port = Number(match?.[2]);
  if (!match || port > 65535)
    throw new ConfigError(
      "METRICS_ADDRESS",
      `--metrics ${text}: must be [host:]port, e.g. 9464, 0.0.0.0:9464 or [::]:9464`,
    );
  return { host: match[1]?.replace(/^\[|\]$/g, "") ?? "127.0.0.1", port };
}

/**
 * Serves `/metrics`, `/healthz` (200 as long as the event loop runs) and `/readyz` (200, or 503 with what is not ready).
 * Throws `EkspresiError` if the address is unavailable.
 */
export async function serveMetrics(address: ListenAddress, probes: Probes): Promise<MetricsServer> {
  const pages: Record<string, () => { status: number; type?: string; text: string }> = {
    "/metrics": () => ({ status: 200, type: CONTENT_TYPE, text: probes.metrics() }),
    "/healthz": () => ({ status: 200, text: "ok\n" }),
    "/readyz": () => {
      const missing = probes.waitingFor();
      return missing.length === 0
        ? { status: 200, text: "ready\n" }
        : { status: 503, text: `${missing.join("\n")}\n` };
    },
  };
  const server = createServer(({ method, url = "/" }, response) => {
    const page = Object.hasOwn(pages, url.split("?")[0] ?? "") ? pages[url.split("?")[0] ?? ""] : undefined;
    if (method !== "GET" && method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
      return;
    }
    const { status, type, text } = page?.() ?? {
      status: 404,
      text: `not found; use ${Object.keys(pages).join(", ")}\n`,
    };
    response.writeHead(status, {
      "content-type": type ?? "text/plain; charset=utf-8",
      "content-length": Buffer.byteLength(text),
      "cache-control": "no-store",
    });
    response.end(method === "HEAD" ? undefined : text);
  });
  server.listen(address.port, address.host);
  try {
    await once(server, "listening");
  } catch (cause) {
    const where = hostPort(address.host, address.port);
    const why = listenReason(cause as NodeJS.ErrnoException);
    throw new EkspresiError("METRICS_LISTEN", `--metrics: cannot listen on ${where}: ${why}`, { cause });
  }
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${hostPort(address.host, port)}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

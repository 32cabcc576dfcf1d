import assert from "node:assert/strict";
import { createServer } from "node:net";
import { parseListen, serveMetrics } from "#src/metrics/server.js";

describe("parseListen", () => {
  it("parses a port (then on loopback), or a host and port", () => {
    assert.deepEqual(parseListen("9464"), { host: "127.0.0.1", port: 9464 });
    assert.deepEqual(parseListen("0.0.0.0:0"), { host: "0.0.0.0", port: 0 });
    assert.deepEqual(parseListen("[::1]:80"), { host: "::1", port: 80 });
    assert.deepEqual(parseListen("localhost:1"), { host: "localhost", port: 1 });
  });

  it("reports an invalid address and the expected form", () => {
    for (const text of ["", "x", "host", "host:", ":80", "::1:80", "80:90:1", "65536", "http://a:1"])
      assert.throws(() => parseListen(text), {
        name: "ConfigError",
        message: /must be \[host:\]port, e\.g\. 9464/,
      });
  });
});

describe("serveMetrics", () => {
  const loopback = { host: "127.0.0.1", port: 0 };
  let missing: string[];
  const probes = { metrics: () => "m 1\n", waitingFor: () => missing };
  beforeEach(() => {
    missing = [];
  });

  it("serves metrics, health, and what is not ready", async () => {
    const server = await serveMetrics(loopback, probes);
    try {
      const metrics = await fetch(`${server.url}/metrics`);
      assert.equal(await metrics.text(), "m 1\n");
      assert.equal(metrics.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
      assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
      assert.equal((await fetch(`${server.url}/readyz?verbose`)).status, 200);
      missing = ["source door: opening", "source hall: reconnecting"];
      const ready = await fetch(`${server.url}/readyz`);
      assert.equal(ready.status, 503);
      assert.equal(await ready.text(), "source door: opening\nsource hall: reconnecting\n");
      assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
    } finally {
      await server.close();
    }
  });

  it("answers other paths with 404, other methods with 405, and HEAD without a body", async () => {
    const server = await serveMetrics(loopback, probes);
    try {
      assert.equal((await fetch(`${server.url}/constructor`)).status, 404);
      assert.equal((await fetch(`${server.url}/metrics`, { method: "POST", body: "x" })).status, 405);
      const head = await fetch(`${server.url}/metrics`, { method: "HEAD" });
      assert.deepEqual([head.status, await head.text()], [200, ""]);
    } finally {
      await server.close();
    }
  });

  it("reports that the port is in use, and frees it when closed, even with open connections", async () => {
    const server = await serveMetrics(loopback, probes);
    await fetch(`${server.url}/healthz`); // kept alive
    const port = Number(new URL(server.url).port);
    await assert.rejects(serveMetrics({ ...loopback, port }, probes), {
      code: "METRICS_LISTEN",
      message: `--metrics: cannot listen on 127.0.0.1:${port}: the address is in use by another program; choose another port, or 0 for any free one`,
    });
    await server.close();
    const again = createServer().listen(port, "127.0.0.1");
    await new Promise<void>((resolve, reject) => again.once("listening", resolve).once("error", reject));
    again.close();
  });
});

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Certificates, makeCertificates } from "../support/certificates.js";
import { NatsServer, needsNatsServer } from "../support/nats-server.js";
import { storedMessages } from "../support/nats-stream.js";
import { RECORDING } from "../support/pictures.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

describe("a pipeline whose NATS is not as it thinks", function () {
  this.timeout(120_000);
  let folder: string;
  let made: Certificates;
  const servers: NatsServer[] = [];

  before(function () {
    needsNatsServer(this);
    folder = mkdtempSync(join(tmpdir(), "ekspresi-mistakes-"));
    made = makeCertificates(folder);
    writeFileSync(
      join(folder, "lobby.yaml"),
      `version: 1
name: lobby
sources: [{ id: door, type: file, path: "${RECORDING}", to: 2s }]
operators:
  - { type: sample, fps: 5 }
  - { type: detect, minSize: 25%, workers: 1 }
  - { type: track }
  - { type: classify, threads: 1 }
  - { type: events, on: sample, interval: 200ms }
sinks: [{ type: nats, url: "\${NATS_URL}", stream: { name: EMOTION, create: true } }]
`,
    );
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.remove();
  });
  after(() => folder && rmSync(folder, { recursive: true }));
  async function served(config = "", jetstream = true): Promise<NatsServer> {
    const server = await NatsServer.start({ config, jetstream });
    servers.push(server);
    return server;
  }
  /** Exit code and what it said, addresses as URL. */
  function run(
    { port }: NatsServer,
    login = "",
    ...settings: string[]
  ): { code: number | null; said: string } {
    const { status, stderr, stdout } = spawnSync(
      process.execPath,
      [MAIN, "run", "--quiet", join(folder, "lobby.yaml"), ...settings.flatMap((one) => ["--set", one])],
      { encoding: "utf8", env: { ...process.env, NATS_URL: `nats://${login}127.0.0.1:${port}` } },
    );
    assert.equal(stdout, "");
    return {
      code: status,
      said: stderr.replaceAll(`nats://127.0.0.1:${port}`, "URL").replaceAll(folder, "FOLDER"),
    };
  }

  it("stops with one line and code 1: a login that is refused, or is missing", async () => {
    const server = await served("authorization { user: me, password: right }");
    assert.deepEqual(run(server, "me:hunter2@"), {
      code: 1,
      said: "URL: login rejected (the one in `url`)\n",
    });
    assert.deepEqual(run(server), {
      code: 1,
      said: "URL: login rejected; none was given, use `user` and `password`, `token`, `nkey` or `creds`\n",
    });
  });

  it("the same: a certificate that has expired", async () => {
    const server = await served(`tls { cert_file: "${made.expired}", key_file: "${made.key}" }`);
    assert.deepEqual(run(server, "", `sinks.0.tls.ca=${made.ca}`), {
      code: 1,
      said: "URL: its certificate has expired\n",
    });
  });

  it("the same: a server without JetStream", async () => {
    assert.deepEqual(run(await served("", false)), {
      code: 1,
      said: "URL: JetStream is disabled, or not enabled for this account; start the server with `nats-server -js`\n",
    });
  });

  it("the same: a stream with other limits, which it leaves as it is", async () => {
    const server = await served();
    assert.equal(run(server, "", "sinks.0.stream.maxAge=1d").code, 0);
    assert.deepEqual(run(server, "", "sinks.0.stream.maxAge=7d", "sinks.0.stream.storage=memory"), {
      code: 1,
      said: "URL: stream EMOTION exists with different limits and is not changed: maxAge is 1d, not 7d, storage is file, not memory; remove them here, or run `nats stream edit EMOTION`\n",
    });
    assert.equal(run(server).code, 0, "limits that it does not name are none that it asks for");
  });

  it("keeps what a full stream refuses, says so at its end with code 1, and sends it when there is room", async () => {
    const server = await served();
    const small = ["sinks.0.stream.maxBytes=2000B", "sinks.0.stream.whenFull=refuse"];
    const { code, said } = run(server, "", ...small);
    assert.equal(code, 1);
    const [first, ...more] = said.split("\n");
    assert.match(
      first ?? "",
      /^warning: nats: stream EMOTION refuses events: maximum bytes exceeded; events wait in FOLDER\/\.spool\/lobby\.nats; retrying$/,
    );
    const kept =
      /nats: (\d+) events not sent \(stream EMOTION refuses events: maximum bytes exceeded\); they are kept in FOLDER\/\.spool\/lobby\.nats, and the next run sends them/;
    const [, left = "0"] = kept.exec(more.join("\n")) ?? [];
    const before = (await storedMessages(server.port, "EMOTION")).length;
    assert(before > 0 && Number(left) > 5, said);
    await server.remove();
    servers.length = 0;
    const roomy = await served();
    assert.equal(run(roomy).code, 0);
    const after = (await storedMessages(roomy.port, "EMOTION")).map(({ headers }) => headers["Nats-Msg-Id"]);
    assert.equal(new Set(after).size, after.length);
    assert.equal(after.length, before + Number(left));
  });
});

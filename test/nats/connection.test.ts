import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nkeys } from "@nats-io/transport-node";
import { ConfigError, NatsError } from "#src/errors.js";
import { connectNats, type NatsOptions, openJetStream, watchNats } from "#src/nats/index.js";
import { type Certificates, makeCertificates } from "../support/certificates.js";
import { natsOperator } from "../support/nats-operator.js";
import { NatsServer, needsNatsServer } from "../support/nats-server.js";

/** A time-out longer than any test's: what is said comes before it. */
const NEVER_MS = 600_000;

/** The error in one line. */
async function failure(options: NatsOptions, timeoutMs?: number): Promise<string> {
  try {
    const nats = await connectNats(options, { name: "test", ...(timeoutMs !== undefined && { timeoutMs }) });
    await nats.close();
  } catch (error) {
    assert(error instanceof NatsError || error instanceof ConfigError, String(error));
    assert(!error.message.includes("\n"), error.message);
    assert.doesNotMatch(error.message, /hunter2/);
    return `${error.code} ${error.message}`;
  }
  return "connected";
}

describe("a connection to NATS", () => {
  const servers: NatsServer[] = [];
  let folder: string;
  before(function () {
    needsNatsServer(this);
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.remove();
  });
  after(() => folder && rmSync(folder, { recursive: true }));
  async function served(options?: Parameters<typeof NatsServer.start>[0]): Promise<NatsServer> {
    const server = await NatsServer.start(options);
    servers.push(server);
    return server;
  }

  it("reports a refused connection without showing the login", async () => {
    const server = await NatsServer.later();
    servers.push(server);
    assert.equal(
      await failure({ url: `nats://me:hunter2@127.0.0.1:${server.port}` }),
      `NATS_UNREACHABLE ${server.url}: connection refused; is nats-server running there?`,
    );
    assert.match(
      await failure({ url: "nats://no-such-host.invalid" }),
      /^NATS_UNREACHABLE .*(no such host|looked up)/,
    );
  });

  it("times out if nobody answers, and leaves nothing open", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const closed: Promise<unknown>[] = [];
    silent.on("connection", (socket) => closed.push(once(socket.resume(), "close")));
    const { port } = silent.address() as AddressInfo;
    assert.equal(
      await failure({ url: `nats://127.0.0.1:${port}` }, 200),
      `NATS_UNREACHABLE nats://127.0.0.1:${port}: no answer within 0.2 s`,
    );
    assert(closed.length > 0);
    await Promise.all(closed);
    silent.close();
    await once(silent, "close");
  });

  it("says at once what a server says that closes the connection", async () => {
    const { cert, key, ca } = makeCertificates(mkdtempSync(join(folder, "full-")));
    for (const tls of ["", `tls { cert_file: "${cert}", key_file: "${key}" }`]) {
      const { url } = await served({ config: `max_connections: 1\n${tls}` });
      const options = { url, ...(tls && { tls: { ca } }) };
      const first = await connectNats(options, { name: "test" });
      for (let i = 0; i < 10; i++)
        assert.equal(
          await failure(options, NEVER_MS),
          `NATS_UNREACHABLE ${url}: the server closed the connection: maximum connections exceeded`,
        );
      await first.close();
    }
  });

  it("uses the first of several servers that answers", async () => {
    const [dead, server] = [await NatsServer.later(), await served()];
    servers.push(dead);
    for (const url of [`${dead.url},${server.url}`, [dead.url, server.url]])
      assert.equal(await failure({ url }), "connected");
  });

  it("logs in with user and password, from options and from the address", async () => {
    const { port, url } = await served({ config: "authorization { user: me, password: hunter2 }" });
    assert.equal(await failure({ url, user: "me", password: "hunter2" }), "connected");
    assert.equal(await failure({ url: `nats://me:hunter2@127.0.0.1:${port}` }), "connected");
    assert.equal(
      await failure({ url, user: "me", password: "no" }),
      `NATS_LOGIN ${url}: login rejected (user)`,
    );
    assert.equal(
      await failure({ url: `nats://me:1234@127.0.0.1:${port}` }),
      `NATS_LOGIN ${url}: login rejected (the one in \`url\`)`,
    );
    assert.match(await failure({ url }), /^NATS_LOGIN .* none was given, use `user` and `password`, /);
  });

  it("logs in with token, nkey and credentials file", async () => {
    const token = await served({ config: "authorization { token: hunter2 }" });
    assert.equal(await failure({ url: token.url, token: "hunter2" }), "connected");
    assert.equal(await failure({ url: `nats://hunter2@127.0.0.1:${token.port}` }), "connected");
    assert.match(await failure({ url: token.url, token: "no" }), /NATS_LOGIN .* login rejected \(token\)/);

    const pair = nkeys.createUser();
    const nkey = join(folder, "user.nk");
    writeFileSync(nkey, `${Buffer.from(pair.getSeed()).toString()}\n`);
    const other = join(folder, "other.nk");
    writeFileSync(other, nkeys.createUser().getSeed());
    const keyed = await served({ config: `authorization { users: [{ nkey: ${pair.getPublicKey()} }] }` });
    assert.equal(await failure({ url: keyed.url, nkey }), "connected");
    assert.match(await failure({ url: keyed.url, nkey: other }), /NATS_LOGIN .* login rejected \(nkey\)/);

    const { config, creds } = natsOperator();
    const file = join(folder, "user.creds");
    writeFileSync(file, creds);
    const run = await served({ config, jetstream: false });
    assert.equal(await failure({ url: run.url, creds: file }), "connected");
    writeFileSync(file, creds.replaceAll("\n", "\r\n"));
    assert.equal(await failure({ url: run.url, creds: file }), "connected");
    const foreign = join(folder, "foreign.creds");
    writeFileSync(foreign, natsOperator().creds);
    assert.match(await failure({ url: run.url, creds: foreign }), /NATS_LOGIN .* login rejected \(creds\)/);
  });

  it("reports invalid options in one line each", async () => {
    const damaged = join(folder, "damaged");
    writeFileSync(damaged, "SUNOTASEED");
    const lines: [NatsOptions, RegExp][] = [
      [{ user: "me", token: "hunter2" }, /^NATS_LOGIN .*user and token cannot be combined/],
      [{ password: "hunter2" }, /^NATS_LOGIN .*`password` needs `user`/],
      [{ nkey: "/none.nk" }, /^NATS_FILE NATS: `nkey`: \/none\.nk: no such file$/],
      [{ nkey: damaged }, /^NATS_LOGIN NATS: `nkey`: .*damaged is not an nkey seed/],
      [{ creds: damaged }, /^NATS_LOGIN NATS: `creds`: .*damaged is not a credentials file/],
      [{ tls: { cert: damaged } }, /^NATS_TLS .*must be given together/],
      [{ tls: { ca: "/none.pem" } }, /^NATS_FILE NATS: `tls\.ca`: \/none\.pem: no such file$/],
      [
        { url: "http://me:hunter2@host" },
        /^NATS_URL http:\/\/me:\*\*\*@host: `http:\/\/` is not a NATS address/,
      ],
      [
        { url: "nats://hunter2@host/path" },
        /^NATS_URL nats:\/\/\*\*\*@host\/path: nothing is allowed after the port/,
      ],
      [{ url: "nats://" }, /^NATS_URL nats:\/\/: not a valid address/],
      [{ url: "nats://a,," }, /^NATS_URL an empty address/],
    ];
    for (const [options, expected] of lines) assert.match(await failure(options), expected);
  });

  describe("over TLS", () => {
    let made: Certificates;
    before(() => {
      made = makeCertificates(folder);
    });
    const config = (cert: string, more = "") =>
      `tls { cert_file: "${cert}", key_file: "${made.key}" ${more} }`;

    it("trusts the given authority, checks the server's address, and reports what is wrong with a certificate", async () => {
      const { url, port } = await served({ config: config(made.cert) });
      assert.equal(await failure({ url, tls: { ca: made.ca } }), "connected");
      assert.equal(await failure({ url: `tls://127.0.0.1:${port}`, tls: { ca: made.ca } }), "connected");
      assert.match(await failure({ url }), /^NATS_TLS .*untrusted authority; add that with `tls\.ca`$/);
      assert.match(
        await failure({ url: `nats://localhost:${port}`, tls: { ca: made.ca } }),
        /^NATS_TLS .*its certificate is for another name$/,
      );
    });

    it("reports that a certificate has expired", async () => {
      const { url } = await served({ config: config(made.expired) });
      assert.equal(
        await failure({ url, tls: { ca: made.ca } }),
        `NATS_TLS ${url}: its certificate has expired`,
      );
    });

    it("sends its own certificate if the server requires one", async () => {
      const { url } = await served({ config: config(made.cert, `, ca_file: "${made.ca}", verify: true`) });
      const { clientCert: cert, clientKey: key, ca } = made;
      assert.equal(await failure({ url, tls: { ca, cert, key } }), "connected");
      assert.match(
        await failure({ url, tls: { ca } }, NEVER_MS),
        /^NATS_TLS .*requires a client certificate; give `tls\.cert`/,
      );
    });

    it("reports a client certificate that the server rejects, and files that are not what they should be", async () => {
      const { url } = await served({ config: config(made.cert, `, ca_file: "${made.ca}", verify: true`) });
      const other = makeCertificates(mkdtempSync(join(folder, "stranger-")));
      const { ca, clientCert: cert, clientKey: key, expiredClient } = made;
      const tried = async (tls: NatsOptions["tls"]) =>
        failure({ url, tls: { ca, cert, key, ...tls } }, NEVER_MS);
      assert.equal(
        await tried({ cert: expiredClient }),
        `NATS_TLS ${url}: the client certificate (\`tls.cert\`) has expired`,
      );
      assert.equal(
        await tried({ cert: other.clientCert, key: other.clientKey }),
        `NATS_TLS ${url}: the server rejects the client certificate (\`tls.cert\`); have it signed by an authority that the server trusts`,
      );
      assert.equal(await tried({ key: other.clientKey }), `NATS_TLS ${url}: TLS failed: key values mismatch`);
      assert.equal(
        await tried({ first: true }),
        `NATS_TLS ${url}: what answers there is not TLS; remove \`tls.first\``,
      );
      assert.equal(
        await tried({ cert: key }),
        `NATS_TLS NATS: \`tls.cert\`: ${key} is not a certificate (PEM)`,
      );
      assert.equal(await tried({ ca: key }), `NATS_TLS NATS: \`tls.ca\`: ${key} is not a certificate (PEM)`);
      assert.equal(
        await tried({ key: cert }),
        `NATS_TLS NATS: \`tls.key\`: ${cert} is not an unencrypted private key (PEM)`,
      );
    });

    it("reconnects with renewed certificate files", async () => {
      const other = makeCertificates(mkdtempSync(join(folder, "other-")));
      const ca = join(folder, "rotated.pem");
      copyFileSync(made.ca, ca);
      const server = await served({ config: config(made.cert) });
      const { nats, back } = await watched({ url: server.url, tls: { ca } });
      await server.stop();
      writeFileSync(
        join(server.folder, "server.conf"),
        `tls { cert_file: "${other.cert}", key_file: "${other.key}" }`,
      );
      copyFileSync(other.ca, ca);
      await server.restart();
      await back;
      await nats.close();
    });

    it("rejects a server without TLS if TLS is required", async () => {
      const { url } = await served();
      assert.match(await failure({ url, tls: {} }), /^NATS_TLS .*the server does not support TLS/);
    });
  });

  it("reports that JetStream is disabled", async () => {
    const { url } = await served({ jetstream: false });
    const nats = await connectNats({ url }, { name: "test" });
    await assert.rejects(openJetStream(nats), {
      code: "NATS_JETSTREAM",
      message: `${url}: JetStream is disabled, or not enabled for this account; start the server with \`nats-server -js\``,
    });
    await nats.close();
  });

  it("reports that a login may not use JetStream", async () => {
    const { url } = await served({
      config: `authorization { users: [{ user: a, password: b, permissions: { publish: ["emotion.>"] } }] }`,
    });
    const nats = await connectNats({ url, user: "a", password: "b" }, { name: "test" });
    await assert.rejects(openJetStream(nats), {
      code: "NATS_JETSTREAM",
      message: `${url}: JetStream does not answer: Permissions Violation for Publish to "$JS.API.INFO"`,
    });
    await nats.close();
  });

  /** Connects, and returns what is reported from then on; `back` resolves once the connection is restored. */
  async function watched(options: NatsOptions) {
    const nats = await connectNats(options, { name: "test" });
    const told: string[] = [];
    let came = () => {};
    const back = new Promise<void>((resolve) => {
      came = resolve;
    });
    void watchNats(nats, {
      lost: (message) => told.push(message),
      complaint: (message) => told.push(message),
      back: (message) => {
        told.push(message);
        came();
      },
    });
    return { nats, told, back };
  }

  it("reconnects with a renewed login file, and reports once that the old login is rejected", async () => {
    const [old, renewed] = [nkeys.createUser(), nkeys.createUser()];
    const config = (user: typeof old) => `authorization { users: [{ nkey: ${user.getPublicKey()} }] }`;
    const nkey = join(folder, "rotated.nk");
    writeFileSync(nkey, old.getSeed());
    const server = await served({ config: config(old) });
    const { nats, told, back } = await watched({ url: server.url, nkey });
    await server.stop();
    writeFileSync(join(server.folder, "server.conf"), config(renewed));
    await server.restart();
    await sleep(2500);
    writeFileSync(nkey, renewed.getSeed());
    await back;
    assert.deepEqual(told.sort(), [
      `${server.url}: connection lost; reconnecting`,
      `${server.url}: login rejected`,
      `${server.url}: reconnected`,
    ]);
    await nats.close();
  });

  it("reconnects after the server was killed, reports it, and closes at once while the server is away", async () => {
    const server = await served();
    const nats = await connectNats({ url: server.url }, { name: "test" });
    const told: string[] = [];
    let onTold = () => {};
    const watched = watchNats(nats, {
      lost: (message) => told.push(message) && onTold(),
      back: (message) => told.push(message) && onTold(),
    });
    const next = () =>
      new Promise<void>((resolve) => {
        onTold = resolve;
      });
    const lost = next();
    await server.kill();
    await lost;
    const back = next();
    await server.restart();
    await back;
    assert.deepEqual(told, [`${server.url}: connection lost; reconnecting`, `${server.url}: reconnected`]);
    const again = next();
    await server.kill();
    await again;
    await nats.close(50);
    await nats.close();
    await watched;
  });
});

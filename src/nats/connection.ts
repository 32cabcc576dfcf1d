import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { JetStreamApiError, type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import {
  type Authenticator,
  credsAuthenticator,
  type NatsConnection,
  type NodeConnectionOptions,
  nkeyAuthenticator,
} from "@nats-io/transport-node";
import { ConfigError, messageOf, NatsError, readReason } from "../errors.js";
import { harmless } from "../text.js";
import { type Address, hostPort, parseAddresses, shownAddresses } from "./address.js";
import { readGreeting } from "./greeting.js";
import { payloadOf } from "./message.js";
import { checkLogin, DEFAULT_URL, type NatsOptions } from "./options.js";
import { connectOnce } from "./transport.js";

export interface ConnectOptions {
  /** Name shown in the server's monitoring, e.g. `ekspresi lobby nats`. */
  readonly name: string;
  /** What messages call the options. Default: as in a pipeline file. */
  readonly wording?: Wording;
  /** How long to wait for a server to answer, ms. */
  readonly timeoutMs?: number;
  /** False: a lost connection is closed for good. Default: it reconnects forever. */
  readonly reconnect?: boolean;
}

/** What messages call the options: a command line has other names for them than a pipeline file. */
export interface Wording {
  /** E.g. `tls.ca`. */
  readonly option: (key: string) => string;
  /** The option with the server's address. */
  readonly url: string;
  /** The ways to log in. */
  readonly logins: string;
}

const PIPELINE_FILE: Wording = {
  option: (key) => `\`${key}\``,
  url: "`url`",
  logins: "`user` and `password`, `token`, `nkey` or `creds`",
};

/** An open connection. */
export interface Nats {
  readonly connection: NatsConnection;
  /** Addresses without logins, for messages. */
  readonly shown: string;
  /** Throws `NatsError` if a message written by `putMessage` is too large for the server. */
  checkSize(frame: Buffer): void;
  /** Sends messages written by `putMessage`, after everything sent before. False: the connection has ended. */
  send(frames: Buffer): boolean;
  /** Resolves once the server has received everything sent; rejects if the connection ends first. */
  confirm(): Promise<void>;
  /** Sends what is buffered, for at most `timeoutMs`, and closes. Safe to call twice. */
  close(timeoutMs?: number): Promise<void>;
}

const CONNECT_MS = 5000;
const CLOSE_MS = 2000;
const RECONNECT_MS = 500;
/** Ping interval; a hanging server (SIGSTOP, a cut cable) is noticed after two pings without an answer. */
const PING_MS = 5000;

/**
 * Connects; by default, the connection then reconnects forever. Rejects with a one-line `NatsError` if no server accepts
 * us (code `NATS_UNREACHABLE` if retrying may help), and with a `ConfigError` if the options are invalid.
 */
export async function connectNats(options: NatsOptions, wanted: ConnectOptions): Promise<Nats> {
  const addresses = parseAddresses(options.url ?? DEFAULT_URL);
  const shown = shownAddresses(addresses);
  const timeout = wanted.timeoutMs ?? CONNECT_MS;
  const wording = wanted.wording ?? PIPELINE_FILE;
  const settings: NodeConnectionOptions = {
    servers: addresses.map(hostPort),
    name: wanted.name,
    timeout,
    reconnect: wanted.reconnect ?? true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    // A temporarily rejected login (rotated, server starting up) is no reason to give up.
    ignoreAuthErrorAbort: true,
    pingInterval: PING_MS,
    noAsyncTraces: true,
    ...(await login(options, addresses, wording)),
    ...(await encryption(options, addresses, wording)),
  };
  try {
    const connection = await connectOnce(settings);
    return {
      connection,
      shown,
      checkSize: (frame) => checkSize(frame, connection.info?.max_payload),
      send: (frames) => {
        if (connection.isClosed()) return false;
        connection.protocol.sendCommand(frames);
        return true;
      },
      confirm: async () => {
        await undefined; // let the client send its buffer first, which it would otherwise copy to append the ping
        return connection.flush();
      },
      close: (timeoutMs = CLOSE_MS) => closed(connection, timeoutMs),
    };
  } catch (cause) {
    throw await explained(cause, addresses, shown, options, wording, timeout);
  }
}

/**
 * The server's JetStream manager. Rejects with a one-line `NatsError` if JetStream is not available to us (code
 * `NATS_UNREACHABLE` if retrying may help, e.g. if a cluster has no leader).
 */
export async function openJetStream({ connection, shown }: Nats): Promise<JetStreamManager> {
  try {
    return await jetstreamManager(connection);
  } catch (cause) {
    if (cause instanceof Error && cause.name === "JetStreamNotEnabled")
      throw new NatsError(
        "NATS_JETSTREAM",
        `${shown}: JetStream is disabled, or not enabled for this account; start the server with \`nats-server -js\``,
        { cause },
      );
    throw unanswered(cause, shown);
  }
}

/** A failure to ask JetStream, in one line: `NATS_UNREACHABLE` if retrying may help, else `NATS_JETSTREAM`. */
export function unanswered(cause: unknown, shown: string): NatsError {
  const { name } = ((cause as Error).cause ?? cause) as Error;
  const refused =
    cause instanceof JetStreamApiError ? cause.status !== 503 : name === "PermissionViolationError";
  return new NatsError(
    refused ? "NATS_JETSTREAM" : "NATS_UNREACHABLE",
    `${shown}: JetStream does not answer: ${messageOf(cause)}`,
    { cause },
  );
}

/**
 * Reports lost and restored connections, and errors from the server, until the connection closes. While disconnected,
 * each is reported once, however often the client retries.
 */
export async function watchNats(
  { connection, shown }: Nats,
  told: {
    lost?(message: string): void;
    back?(message: string): void;
    complaint?(message: string, error: Error): void;
  },
): Promise<void> {
  let away = false;
  const said = new Set<string>();
  for await (const status of connection.status()) {
    if (status.type === "disconnect" && !away) {
      away = true;
      told.lost?.(`${shown}: connection lost; reconnecting`);
    } else if (status.type === "reconnect" && away) {
      away = false;
      said.clear();
      told.back?.(`${shown}: reconnected`);
    } else if (status.type === "error") {
      const what = `${shown}: ${complaint(status.error)}`;
      if (!said.has(what)) told.complaint?.(what, status.error);
      if (away) said.add(what);
    }
  }
}

function complaint(error: Error): string {
  if (error.name === "PermissionViolationError") return `this login lacks permission: ${error.message}`;
  return error.name === "AuthorizationError" ? "login rejected" : error.message;
}

async function login(
  options: NatsOptions,
  addresses: readonly Address[],
  { option }: Wording,
): Promise<NodeConnectionOptions> {
  const inUrl = addresses.find(({ user, token }) => user ?? token);
  const user = options.user ?? inUrl?.user;
  const pass = options.password ?? inUrl?.password;
  const token = options.token ?? inUrl?.token;
  checkLogin({ ...options, user, token });
  if (user !== undefined) return { user, ...(pass !== undefined && { pass }) };
  if (token !== undefined) return { token };
  const { nkey, creds } = options;
  if (nkey !== undefined)
    return {
      authenticator: await fromFile(option("nkey"), nkey, "an nkey seed (SU...)", (seed) =>
        nkeyAuthenticator(Buffer.from(seed.toString("utf8").trim())),
      ),
    };
  if (creds !== undefined)
    return {
      authenticator: await fromFile(
        option("creds"),
        creds,
        "a credentials file (a JWT and a seed)",
        (content) => credsAuthenticator(Buffer.from(content.toString("utf8").replaceAll("\r\n", "\n"))), // as it expects them
      ),
    };
  return {};
}

/**
 * An authenticator that rereads its file for each connection, since logins may be replaced while we run; if the file is
 * missing or damaged by then, the previous login is kept. Initially, such a file is an error.
 */
async function fromFile(
  option: string,
  file: string,
  form: string,
  make: (content: Buffer) => Authenticator,
): Promise<Authenticator> {
  let last = make(await readGiven(option, file));
  try {
    last("nonce");
  } catch (cause) {
    throw new ConfigError("NATS_LOGIN", `NATS: ${option}: ${file} is not ${form}`, { cause });
  }
  return (nonce) => {
    try {
      const fresh = make(readFileSync(file));
      fresh("nonce");
      last = fresh;
    } catch {}
    return last(nonce);
  };
}

async function encryption(
  { tls }: NatsOptions,
  addresses: readonly Address[],
  { option }: Wording,
): Promise<Pick<NodeConnectionOptions, "tls">> {
  if (!tls && !addresses.some((address) => address.tls)) return {};
  if ((tls?.cert === undefined) !== (tls?.key === undefined))
    throw new ConfigError(
      "NATS_TLS",
      `NATS: ${option("tls.cert")} and ${option("tls.key")} must be given together; one of them is missing`,
    );
  // The client rereads them for each connection, since certificates may be renewed while we run.
  const pem = async (name: keyof typeof PEM) => {
    const file = tls?.[name];
    if (file === undefined) return {};
    const content = await readGiven(option(`tls.${name}`), file);
    try {
      PEM[name].parse(content);
    } catch (cause) {
      throw new ConfigError("NATS_TLS", `NATS: ${option(`tls.${name}`)}: ${file} is not ${PEM[name].form}`, {
        cause,
      });
    }
    return { [`${name}File`]: file };
  };
  return {
    tls: {
      ...(await pem("ca")),
      ...(await pem("cert")),
      ...(await pem("key")),
      ...(tls?.first && { handshakeFirst: true }),
      ...identity(addresses),
    },
  };
}

/** Files for TLS, checked because OpenSSL's errors name none, and one without a certificate as `ca` trusts nobody. */
const PEM = {
  ca: { form: "a certificate (PEM)", parse: (content: Buffer) => new X509Certificate(content) },
  cert: { form: "a certificate (PEM)", parse: (content: Buffer) => new X509Certificate(content) },
  key: { form: "an unencrypted private key (PEM)", parse: (content: Buffer) => createPrivateKey(content) },
};

/**
 * The client passes no server name to TLS for an IP address, and Node then assumes `localhost`. Checks instead that the
 * certificate is valid for one of the requested addresses.
 */
function identity(addresses: readonly Address[]): object {
  return {
    checkServerIdentity: (name: string, certificate: PeerCertificate): Error | undefined => {
      const names = name === "localhost" ? addresses.map(({ host }) => host) : [name];
      const wrong = names.map((host) => checkServerIdentity(host, certificate));
      return wrong.includes(undefined) ? undefined : wrong[0];
    },
  };
}

async function readGiven(option: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new ConfigError("NATS_FILE", `NATS: ${option}: ${file}: ${readReason(cause)}`, { cause });
  }
}

function checkSize(frame: Buffer, most = Number.POSITIVE_INFINITY): void {
  if (frame.length > most && payloadOf(frame) > most)
    throw new NatsError(
      "NATS_PAYLOAD",
      `the server accepts messages of at most ${most} bytes, headers included (max_payload)`,
    );
}

async function closed(connection: NatsConnection, timeoutMs: number): Promise<void> {
  if (connection.isClosed()) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  // A flush never ends while the server is away: what it would have sent is then lost, and the caller has counted it.
  await Promise.race([connection.flush().catch(() => {}), late]);
  clearTimeout(timer);
  await connection.close();
}

const UNKNOWN_AUTHORITY = "its certificate is signed by an untrusted authority; add that with";

const CERTIFICATE: Record<string, string> = {
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
};

/** Each can be mended by trusting the authority. */
const UNTRUSTED: Record<string, string> = {
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed; add it with",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
};

const UNREACHABLE: Record<string, string> = {
  ECONNREFUSED: "connection refused; is nats-server running there?",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "its name cannot be resolved at the moment",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  ETIMEDOUT: "it does not answer",
  ECONNRESET: "it closed the connection",
  EPIPE: "it closed the connection",
};

/** A failure to connect, in one line. */
async function explained(
  cause: unknown,
  addresses: readonly Address[],
  shown: string,
  options: NatsOptions,
  wording: Wording,
  timeoutMs: number,
): Promise<NatsError> {
  const { option } = wording;
  const is = (code: string, what: string) => new NatsError(code, `${shown}: ${what}`, { cause });
  const error = (cause instanceof Error ? cause : new Error(String(cause))) as NodeJS.ErrnoException;
  const code = error.code ?? (error.cause as NodeJS.ErrnoException | undefined)?.code ?? "";
  if (error.name === "AuthorizationError" || error.name === "UserAuthenticationExpiredError")
    return is("NATS_LOGIN", `login rejected${loginHint(options, addresses, wording)}`);
  if (UNTRUSTED[code]) return is("NATS_TLS", `${UNTRUSTED[code]} ${option("tls.ca")}`);
  if (CERTIFICATE[code]) return is("NATS_TLS", CERTIFICATE[code]);
  if (REJECTED.test(code)) return is("NATS_TLS", await rejected(options, wording));
  const refused = (what: string) => is("NATS_UNREACHABLE", `the server closed the connection: ${what}`);
  if (error.name === "ProtocolError") return refused(harmless(error.message));
  // What a server says as it closes the connection is lost if it has not read all that we sent, or if we await TLS.
  if (code === "ECONNRESET" || code === "EPIPE" || code === "ERR_SSL_WRONG_VERSION_NUMBER") {
    const [first] = addresses;
    const greeting = first && (await readGreeting(first.host, first.port, timeoutMs).catch(() => undefined));
    if (greeting?.refusal !== undefined) return refused(harmless(greeting.refusal));
    if (greeting?.tlsVerify && code !== "ERR_SSL_WRONG_VERSION_NUMBER")
      return is("NATS_TLS", await rejected(options, wording));
  }
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER")
    return is(
      "NATS_TLS",
      `what answers there is not TLS${options.tls?.first ? `; remove ${option("tls.first")}` : ""}`,
    );
  if (/^ERR_(SSL|TLS|OSSL)/.test(code)) return is("NATS_TLS", `TLS failed: ${tlsReason(error)}`);
  if (/does not support 'tls'/.test(error.message))
    return is("NATS_TLS", "the server does not support TLS, which tls:// and certificates require");
  if (UNREACHABLE[code]) return is("NATS_UNREACHABLE", UNREACHABLE[code]);
  if (error.name === "TimeoutError") return is("NATS_UNREACHABLE", `no answer within ${timeoutMs / 1000} s`);
  if (/unexpected response/.test(error.message))
    return is("NATS_PROTOCOL", "the server that answers is not NATS");
  return is("NATS_CONNECT", error.message || "the connection failed");
}

/** Alerts by which a server rejects our certificate, or that we have none; most servers send the first in any case. */
const REJECTED = /^ERR_SSL_\w+_ALERT_(BAD_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE)$/;

/** Why a server may have rejected our certificate, which it does not tell. */
async function rejected({ tls }: NatsOptions, { option }: Wording): Promise<string> {
  if (tls?.cert === undefined)
    return `the server requires a client certificate; give ${option("tls.cert")} and ${option("tls.key")}`;
  const which = `the client certificate (${option("tls.cert")})`;
  const certificate = await readFile(tls.cert).then(
    (pem) => new X509Certificate(pem),
    () => undefined,
  );
  if (certificate && Date.parse(certificate.validTo) < Date.now()) return `${which} has expired`;
  return `the server rejects ${which}; have it signed by an authority that the server trusts`;
}

/** OpenSSL's own words, without its source files and line breaks. */
function tlsReason(error: Error): string {
  const { reason = error.message } = (error.cause ?? error) as { reason?: string };
  return reason.replace(/\s+/g, " ").trim();
}

function loginHint(options: NatsOptions, addresses: readonly Address[], { url, logins }: Wording): string {
  const given = ["user", "token", "nkey", "creds"].filter((way) => options[way as "user"] !== undefined);
  if (given.length > 0) return ` (${given.join()})`;
  return addresses.some(({ user, token }) => user ?? token)
    ? ` (the one in ${url})`
    : `; none was given, use ${logins}`;
}

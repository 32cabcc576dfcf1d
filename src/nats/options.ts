import { type Static, Type } from "typebox";
import { ConfigError } from "../errors.js";
import { Bytes, Duration, Path } from "../pipeline/units.js";

export const DEFAULT_URL = "nats://127.0.0.1:4222";

/** A file that a sink reads too. */
const ReadPath: typeof Path = (options) => Path({ ...options, "x-read": true });

/** How to reach NATS: fields to spread into a component's options, `Type.Object({ ...natsFields, subject: ... })`. */
export const natsFields = {
  url: Type.Optional(
    Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
      default: DEFAULT_URL,
      description:
        "The server, or several servers of one cluster as a list or separated by commas. `tls://` requires TLS. It may include a login: `nats://user:password@host`, `nats://token@host`.",
      examples: ["nats://nats.example:4222", "tls://a.example:4222,tls://b.example:4222"],
    }),
  ),
  user: Type.Optional(Type.String({ minLength: 1, description: "User name; with `password`." })),
  password: Type.Optional(
    Type.String({
      // biome-ignore lint/suspicious/noTemplateCurlyInString: as written in YAML
      description: "Its password. Keep it out of the file with `${NATS_PASSWORD}`.",
    }),
  ),
  token: Type.Optional(Type.String({ minLength: 1, description: "Token, if the server requires one." })),
  nkey: Type.Optional(
    ReadPath({ description: "File with the seed of an nkey (`SU...`).", examples: ["user.nk"] }),
  ),
  creds: Type.Optional(
    ReadPath({
      description: "Credentials file (JWT and seed), as `nsc` writes it.",
      examples: ["ekspresi.creds"],
    }),
  ),
  tls: Type.Optional(
    Type.Object(
      {
        ca: Type.Optional(
          ReadPath({
            description: "Certificates to trust, PEM. Default: the system's.",
            examples: ["ca.pem"],
          }),
        ),
        cert: Type.Optional(
          ReadPath({ description: "Client certificate, PEM, if the server asks for one (mutual TLS)." }),
        ),
        key: Type.Optional(ReadPath({ description: "The private key of `cert`, PEM." })),
        first: Type.Optional(
          Type.Boolean({
            default: false,
            description: "Starts TLS before the server's greeting, for servers with `handshake_first`.",
          }),
        ),
      },
      {
        description:
          "Requires TLS; `{}` uses the system's certificates. TLS is used anyway if the server offers it.",
      },
    ),
  ),
};

const NatsOptions = Type.Object(natsFields);

interface Login {
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  readonly nkey?: string | undefined;
  readonly creds?: string | undefined;
}

/** Throws `ConfigError` where there is more than one way to log in, or half of one. */
export function checkLogin({ user, password, token, nkey, creds }: Login): void {
  const ways = Object.entries({ user, token, nkey, creds })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
  if (ways.length > 1)
    throw new ConfigError("NATS_LOGIN", `NATS: ${ways.join(" and ")} are given; a login is one of them`);
  if (password !== undefined && user === undefined)
    throw new ConfigError("NATS_LOGIN", "NATS: `password` is given without `user`");
}

/** How to reach NATS, paths absolute. */
export type NatsOptions = Static<typeof NatsOptions>;

/**
 * A stream that must be there, or may be made. Defaults stand in the texts alone: a limit that the file does not name
 * is none that an existing stream must have.
 */
export const StreamOptions = Type.Object(
  {
    name: Type.String({
      pattern: "^[^\\s.*>/\\\\]+$",
      maxLength: 255,
      description: "Name of the stream, without dots, spaces, `*`, `>` and slashes.",
    }),
    create: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          "Creates the stream for the subjects of `subject` if it does not exist. An existing stream is never changed.",
      }),
    ),
    maxAge: Type.Optional(
      Duration({ description: "How long it keeps events. Default: forever.", examples: ["7d"] }),
    ),
    maxBytes: Type.Optional(
      Bytes({ description: "Its largest size. Default: no limit.", examples: ["10GB"] }),
    ),
    maxMessages: Type.Optional(
      Type.Integer({ minimum: 1, description: "Most events it holds. Default: no limit." }),
    ),
    whenFull: Type.Optional(
      Type.Union([Type.Literal("drop-oldest"), Type.Literal("refuse")], {
        description:
          "What it does when a limit is reached (default: drop-oldest). While it refuses, events wait in the spool.",
      }),
    ),
    duplicateWindow: Type.Optional(
      Duration({
        description:
          "How long it recognises an event by its id, so that one sent twice is stored once. Default: 2m.",
      }),
    ),
    replicas: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 5, description: "Copies in a cluster. Default: 1." }),
    ),
    storage: Type.Optional(
      Type.Union([Type.Literal("file"), Type.Literal("memory")], {
        description: "Where the server keeps it (default: file). A stream in memory is lost with the server.",
      }),
    ),
  },
  { description: "Delivers into this JetStream stream." },
);
export type StreamOptions = Static<typeof StreamOptions>;

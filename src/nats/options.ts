import { type Static, Type } from "typebox";
import { ConfigError } from "../errors.js";
import { Bytes, Duration, Path } from "../pipeline/units.js";

export const DEFAULT_URL = "nats://127.0.0.1:4222";

/** A path that even a sink only reads. */
const ReadPath: typeof Path = (options) => Path({ ...options, "x-read": true });

/** Connection fields to spread into a component's options: `Type.Object({ ...natsFields, subject: ... })`. */
export const natsFields = {
  url: Type.Optional(
    Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
      default: DEFAULT_URL,
      description:
        "Server URL, or several of one cluster as a list or separated by commas. `tls://` requires TLS. It may include a login: `nats://user:password@host`, `nats://token@host`.",
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
  nkey: Type.Optional(ReadPath({ description: "File with an nkey seed (`SU...`).", examples: ["user.nk"] })),
  creds: Type.Optional(
    ReadPath({
      description: "Credentials file (JWT and seed), as written by `nsc`.",
      examples: ["ekspresi.creds"],
    }),
  ),
  tls: Type.Optional(
    Type.Object(
      {
        ca: Type.Optional(
          ReadPath({
            description: "Trusted CA certificates, PEM. Default: the system's.",
            examples: ["ca.pem"],
          }),
        ),
        cert: Type.Optional(
          ReadPath({ description: "Client certificate, PEM, if the server requires one (mutual TLS)." }),
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
          "Requires TLS; `{}` uses the system's certificates. TLS is also used without this option if the server offers it.",
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

/** Throws `ConfigError` if there is more than one login method, or an incomplete one. */
export function checkLogin({ user, password, token, nkey, creds }: Login): void {
  const ways = Object.entries({ user, token, nkey, creds })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
  if (ways.length > 1)
    throw new ConfigError(
      "NATS_LOGIN",
      `NATS: ${ways.join(" and ")} cannot be combined; give one login method`,
    );
  if (password !== undefined && user === undefined)
    throw new ConfigError("NATS_LOGIN", "NATS: `password` needs `user`; give both");
}

/** How to connect to NATS, with absolute paths. */
export type NatsOptions = Static<typeof NatsOptions>;

/**
 * A stream that must exist or may be created. Defaults are only in the descriptions: a limit that is not in the file is
 * not required of an existing stream.
 */
export const StreamOptions = Type.Object(
  {
    name: Type.String({
      pattern: "^[^\\s.*>/\\\\]+$",
      maxLength: 255,
      description: "Name of the stream, without dots, spaces, `*`, `>` or slashes.",
    }),
    create: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          "Creates the stream for the subjects of `subject` if it does not exist. An existing stream is never changed; with or without `create`, the run stops if its limits differ from those given here.",
      }),
    ),
    maxAge: Type.Optional(
      Duration({ description: "How long it keeps events. Default: forever.", examples: ["7d"] }),
    ),
    maxBytes: Type.Optional(Bytes({ description: "Maximum size. Default: no limit.", examples: ["10GB"] })),
    maxMessages: Type.Optional(
      Type.Integer({ minimum: 1, description: "Maximum number of events. Default: no limit." }),
    ),
    whenFull: Type.Optional(
      Type.Union([Type.Literal("drop-oldest"), Type.Literal("refuse")], {
        description:
          "What happens when a limit is reached (default: drop-oldest). While the stream refuses events, they wait in the spool.",
      }),
    ),
    duplicateWindow: Type.Optional(
      Duration({
        description:
          "How long it recognises duplicates by their id, so that an event sent twice is stored once. Default: 2m.",
      }),
    ),
    replicas: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 5, description: "Number of copies in a cluster. Default: 1." }),
    ),
    storage: Type.Optional(
      Type.Union([Type.Literal("file"), Type.Literal("memory")], {
        description:
          "Where the server stores it (default: file). A stream in memory is lost with the server.",
      }),
    ),
  },
  { description: "Delivers to this JetStream stream." },
);
export type StreamOptions = Static<typeof StreamOptions>;

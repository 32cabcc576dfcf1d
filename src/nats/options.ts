import { type Static, Type } from "typebox";
import { Path } from "../pipeline/units.js";

export const DEFAULT_URL = "nats://127.0.0.1:4222";

/** How to reach NATS: fields to spread into a component's options, `Type.Object({ ...natsFields, subject: ... })`. */
export const natsFields = {
  url: Type.Optional(
    Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
      default: DEFAULT_URL,
      description:
        "The server, or several of one cluster as a list or between commas. `tls://` asks for TLS. A login may stand in it: `nats://user:password@host`, `nats://token@host`.",
      examples: ["nats://nats.example:4222", "tls://a.example:4222,tls://b.example:4222"],
    }),
  ),
  user: Type.Optional(Type.String({ minLength: 1, description: "User name; with `password`." })),
  password: Type.Optional(
    Type.String({
      // biome-ignore lint/suspicious/noTemplateCurlyInString: as written in YAML
      description: "Its password. Leave it out of the file: `${NATS_PASSWORD}`.",
    }),
  ),
  token: Type.Optional(Type.String({ minLength: 1, description: "Token, where the server wants one." })),
  nkey: Type.Optional(
    Path({ description: "File with the seed of an nkey (`SU...`).", examples: ["user.nk"] }),
  ),
  creds: Type.Optional(
    Path({
      description: "Credentials file (JWT and seed), as `nsc` writes it.",
      examples: ["ekspresi.creds"],
    }),
  ),
  tls: Type.Optional(
    Type.Object(
      {
        ca: Type.Optional(
          Path({ description: "Certificates to trust, PEM. Default: the system's.", examples: ["ca.pem"] }),
        ),
        cert: Type.Optional(
          Path({ description: "Our certificate, PEM, where the server asks for one (mutual TLS)." }),
        ),
        key: Type.Optional(Path({ description: "The private key of `cert`, PEM." })),
        first: Type.Optional(
          Type.Boolean({
            default: false,
            description: "TLS before the server's greeting, for servers with `handshake_first`.",
          }),
        ),
      },
      {
        description:
          "Asks for TLS; `{}` with the system's certificates. Used anyway where the server has it.",
      },
    ),
  ),
};

const NatsOptions = Type.Object(natsFields);

/** How to reach NATS, paths absolute. */
export type NatsOptions = Static<typeof NatsOptions>;

import { nkeys } from "@nats-io/transport-node";

/** An operator with one account and one user, as a server's configuration and the user's credentials file. */
export function natsOperator(): { config: string; creds: string } {
  const [own, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()];
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const sign = (issuer: typeof own, subject: string, name: string, nats: object) => {
    const body = `${encode({ typ: "JWT", alg: "ed25519-nkey" })}.${encode({ jti: name, iat: 1, iss: issuer.getPublicKey(), name, sub: subject, nats: { version: 2, ...nats } })}`;
    return `${body}.${Buffer.from(issuer.sign(Buffer.from(body))).toString("base64url")}`;
  };
  const limits = {
    subs: -1,
    data: -1,
    payload: -1,
    imports: -1,
    exports: -1,
    wildcards: true,
    conn: -1,
    leaf: -1,
  };
  const operatorJwt = sign(own, own.getPublicKey(), "operator", { type: "operator" });
  const accountJwt = sign(own, account.getPublicKey(), "account", { type: "account", limits });
  const userJwt = sign(account, user.getPublicKey(), "user", {
    type: "user",
    subs: -1,
    data: -1,
    payload: -1,
  });
  return {
    config: `operator: ${operatorJwt}\nresolver: MEMORY\nresolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
    creds: `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${Buffer.from(user.getSeed()).toString()}\n------END USER NKEY SEED------\n`,
  };
}

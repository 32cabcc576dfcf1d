import { connect } from "node:net";

/** What a server sends to any client before login. */
export interface Greeting {
  readonly version: string;
  readonly jetstream: boolean;
  /** Whether it requires a client certificate. */
  readonly tlsVerify: boolean;
}

/** Reads the greeting of a server. Rejects if nothing, or something other than NATS, answers in time. */
export function readGreeting(host: string, port: number, timeoutMs: number): Promise<Greeting> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let text = "";
    const end = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(timeoutMs, () => end(new Error(`no answer within ${timeoutMs} ms`)));
    socket.on("error", end);
    socket.on("end", () => end(new Error("it closed the connection")));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (!text.includes("\r\n") && text.length < 2 ** 16) return;
      socket.destroy();
      const info = /^INFO (\{.*\})/.exec(text)?.[1];
      try {
        if (!info) throw new Error("no INFO");
        const { version, jetstream, tls_verify } = JSON.parse(info) as Record<string, unknown>;
        resolve({
          version: String(version ?? "unknown"),
          jetstream: jetstream === true,
          tlsVerify: tls_verify === true,
        });
      } catch (cause) {
        reject(new Error("the server that answers is not NATS", { cause }));
      }
    });
  });
}

import { connect } from "node:net";

/** What a server sends to any client before login. */
export interface Greeting {
  readonly version: string;
  readonly jetstream: boolean;
  /** Whether it requires a client certificate. */
  readonly tlsVerify: boolean;
  /** What it says if it then closes the connection at once, e.g. `maximum connections exceeded`. */
  readonly refusal?: string;
}

/** How long after the greeting a refusal may come; servers send it in the same moment. */
const REFUSAL_MS = 100;

/** Reads the greeting of a server. Rejects if nothing, or something other than NATS, answers in time. */
export function readGreeting(host: string, port: number, timeoutMs: number): Promise<Greeting> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let text = "";
    let timer: NodeJS.Timeout | undefined;
    const end = (error: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(timeoutMs, () => end(new Error(`no answer within ${timeoutMs} ms`)));
    socket.on("error", end);
    socket.on("end", () => (text ? read() : end(new Error("it closed the connection"))));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (text.length >= 2 ** 16) read();
      else if (text.includes("\r\n")) timer ??= setTimeout(read, REFUSAL_MS);
    });
    function read(): void {
      clearTimeout(timer);
      socket.destroy();
      const info = /^INFO (\{.*\})/.exec(text)?.[1];
      try {
        if (!info) throw new Error("no INFO");
        const { version, jetstream, tls_verify } = JSON.parse(info) as Record<string, unknown>;
        const refusal = /^-ERR '(.*)'/m.exec(text)?.[1];
        resolve({
          version: String(version ?? "unknown"),
          jetstream: jetstream === true,
          tlsVerify: tls_verify === true,
          ...(refusal !== undefined && { refusal }),
        });
      } catch (cause) {
        reject(new Error("the server that answers is not NATS", { cause }));
      }
    }
  });
}

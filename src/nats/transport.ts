import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import {
  type NatsConnection,
  NatsConnectionImpl,
  ProtocolHandler,
  setTransportFactory,
} from "@nats-io/transport-node";
import { NodeTransport, nodeResolveHost } from "@nats-io/transport-node/lib/node_transport.js";

type Options = Parameters<typeof NatsConnectionImpl.connect>[0];

/** A connection with the client's layer below `publish`, which accepts encoded messages. */
export interface OpenConnection extends NatsConnection {
  readonly protocol: Pick<NatsConnectionImpl["protocol"], "sendCommand">;
}

/** Like the client's `connect`, but leaves nothing open after an attempt that fails or times out. */
export async function connectOnce(options: Options): Promise<OpenConnection> {
  setTransportFactory({ factory: () => new ClosingTransport(), dnsResolveFn: nodeResolveHost });
  // Its constructor is private, and its `connect` knows no other protocol.
  const connection = Reflect.construct(NatsConnectionImpl, [options]) as NatsConnectionImpl;
  connection.protocol = new PromptProtocol(connection.options, connection);
  await connection.protocol.dialLoop();
  return connection as OpenConnection;
}

/**
 * The client's own protocol (3.4) waits for its time-out if a server closes the connection instead of accepting us. This
 * one ends the attempt at once, with what the server said, else what happened to the connection.
 */
class PromptProtocol extends ProtocolHandler {
  override async disconnected(error?: Error): Promise<void> {
    if (this.connectError) this.connectError(this.lastError ?? error ?? ended());
    else await super.disconnected(error);
  }
}

/**
 * The client's own transport (3.4) leaks the socket of an abandoned attempt to a hanging server or across a broken
 * network; that socket then keeps the process alive. And it does not notice a connection that ends while it reads the
 * files for TLS.
 */
class ClosingTransport extends NodeTransport {
  override async dial({ port, hostname }: { port: number; hostname: string }): Promise<Socket> {
    this.socket = createConnection(port, hostname);
    await once(this.socket, "connect");
    return this.socket.setNoDelay(true);
  }

  override startTLS(): Promise<TLSSocket> {
    const { socket } = this;
    const closed = new Promise<never>((_, reject) => {
      socket.once("error", () => {});
      socket.once("close", () => setImmediate(() => reject(ended()))); // TLS's own reason comes first
    });
    return Promise.race([super.startTLS(), closed]);
  }

  override async close(error?: Error): Promise<void> {
    if (this.connected) await super.close(error);
    else this.discard();
  }
}

function ended(): Error {
  return Object.assign(new Error("closed"), { code: "ECONNRESET" });
}

import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { type NatsConnection, NatsConnectionImpl, setTransportFactory } from "@nats-io/transport-node";
import { NodeTransport, nodeResolveHost } from "@nats-io/transport-node/lib/node_transport.js";

type Options = Parameters<typeof NatsConnectionImpl.connect>[0];

/** A connection with the client's layer below `publish`, which accepts encoded messages. */
export interface OpenConnection extends NatsConnection {
  readonly protocol: Pick<NatsConnectionImpl["protocol"], "sendCommand">;
}

/** Like the client's `connect`, but leaves nothing open after an attempt that fails or times out. */
export async function connectOnce(options: Options): Promise<OpenConnection> {
  setTransportFactory({ factory: () => new ClosingTransport(), dnsResolveFn: nodeResolveHost });
  return (await NatsConnectionImpl.connect(options)) as OpenConnection;
}

/**
 * The client's own transport (3.4) leaks the socket of an abandoned attempt to a hanging server or across a broken
 * network; that socket then keeps the process alive. And if a server closes the connection instead of accepting us, the
 * client waits on and reports a mere timeout; that one gets what happened as its cause.
 */
class ClosingTransport extends NodeTransport {
  override async dial({ port, hostname }: { port: number; hostname: string }): Promise<Socket> {
    this.socket = createConnection(port, hostname);
    await once(this.socket, "connect");
    return this.socket.setNoDelay(true);
  }

  override async close(error?: Error): Promise<void> {
    if (error && this.connected && this.isClosed)
      error.cause ??= this.closeError ?? Object.assign(new Error("closed"), { code: "ECONNRESET" });
    if (this.connected) await super.close(error);
    else this.discard();
  }
}

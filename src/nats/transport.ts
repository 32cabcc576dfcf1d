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
 * network; that socket then keeps the process alive.
 */
class ClosingTransport extends NodeTransport {
  override async dial({ port, hostname }: { port: number; hostname: string }): Promise<Socket> {
    this.socket = createConnection(port, hostname);
    await once(this.socket, "connect");
    return this.socket.setNoDelay(true);
  }

  override async close(error?: Error): Promise<void> {
    if (this.connected) await super.close(error);
    else this.discard();
  }
}

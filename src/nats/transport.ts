import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { type NatsConnection, NatsConnectionImpl, setTransportFactory } from "@nats-io/transport-node";
import { NodeTransport, nodeResolveHost } from "@nats-io/transport-node/lib/node_transport.js";

type Options = Parameters<typeof NatsConnectionImpl.connect>[0];

/** A connection with the client's layer below its `publish`, which takes messages that are written already. */
export interface OpenConnection extends NatsConnection {
  readonly protocol: Pick<NatsConnectionImpl["protocol"], "sendCommand">;
}

/** The client's `connect`, but of a try that fails or takes too long nothing is left open. */
export async function connectOnce(options: Options): Promise<OpenConnection> {
  setTransportFactory({ factory: () => new ClosingTransport(), dnsResolveFn: nodeResolveHost });
  return (await NatsConnectionImpl.connect(options)) as OpenConnection;
}

/**
 * The client's own transport (3.4) forgets the socket of a try that it gave up, to a server that hangs or a network that
 * is cut; that socket then keeps the process alive.
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

// Prints who changed expression, from the events of a pipeline's `nats` sink:
//   npm install --install-links <Ekspresi's folder>
//   npm install @nats-io/transport-node && npx tsx subscribe.ts [nats://host:4222] [subject]
import { connect } from "@nats-io/transport-node";
import { parseEvent } from "ekspresi/events";

// A function, because only a package of `"type": "module"` may await at the top level.
async function main([url = "nats://127.0.0.1:4222", subject = "emotion.*.*"]: string[]): Promise<void> {
  const connection = await connect({ servers: url, maxReconnectAttempts: -1 });
  process.once("SIGINT", () => void connection.drain());
  for await (const message of connection.subscribe(subject))
    try {
      const { data } = parseEvent(message.json());
      if (data.kind !== "sample")
        console.log(`${data.camera} #${data.track} ${data.kind}: ${data.label} ${Math.round(data.confidence * 100)} %`);
    } catch (error) {
      console.error(`${message.subject}: ${error instanceof Error ? error.message : error}`);
    }
}

void main(process.argv.slice(2));

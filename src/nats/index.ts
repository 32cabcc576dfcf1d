export { parseAddresses, shownAddresses } from "./address.js";
export { type ConnectOptions, connectNats, type Nats, openJetStream, watchNats } from "./connection.js";
export { type Greeting, readGreeting } from "./greeting.js";
export { DEFAULT_URL, type NatsOptions, natsFields } from "./options.js";

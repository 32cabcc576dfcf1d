export { parseAddresses, shownAddresses } from "./address.js";
export {
  type ConnectOptions,
  connectNats,
  type Nats,
  openJetStream,
  type Wording,
  watchNats,
} from "./connection.js";
export { type Greeting, readGreeting } from "./greeting.js";
export {
  type ContentMode,
  type IncomingMessage,
  type OutgoingMessage,
  putMessage,
  readEvent,
} from "./message.js";
export { DEFAULT_URL, type NatsOptions, StreamOptions } from "./options.js";
export { ensureStream } from "./stream.js";
export { covers, parseSubject, type SubjectTemplate, safeToken } from "./subject.js";
export { checkPattern, listen, type Received, replay } from "./subscribe.js";

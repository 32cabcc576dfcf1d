import { once } from "node:events";
import { messageOf, SinkError } from "../errors.js";

/** Standard output for a sink: what is written is handed over before `write` resolves. */
export interface Output {
  write(text: string | Uint8Array): void | Promise<void>;
  close(): void;
}

/** @param id the sink's, for errors */
export function openOutput(id: string): Output {
  const { stdout } = process;
  let broken: SinkError | undefined;
  const onError = (cause: NodeJS.ErrnoException) => {
    const why = readerHasGone(cause) ? "the reader of standard output has gone" : messageOf(cause);
    broken ??= new SinkError("SINK_WRITE", `${id}: ${why}`, { cause });
  };
  stdout.on("error", onError);
  return {
    write: (text) => {
      if (broken) throw broken;
      if (stdout.write(text)) return;
      return drained(stdout).then(
        () => {
          if (broken) throw broken;
        },
        (cause: NodeJS.ErrnoException) => {
          onError(cause);
          throw broken;
        },
      );
    },
    close: () => {
      stdout.off("error", onError);
      stdout.off("error", ignore).on("error", ignore); // a late failure has nobody left to tell
    },
  };
}

const ignore = () => {};

/** Whether a pipe broke because nobody reads it any more; `EOF` is what Windows says. */
export function readerHasGone({ code }: NodeJS.ErrnoException): boolean {
  return code === "EPIPE" || code === "EOF";
}

/** `drain` never comes once the pipe has broken; `close` does. */
async function drained(stream: NodeJS.WriteStream): Promise<void> {
  const done = new AbortController();
  const { signal } = done;
  const heard = [once(stream, "drain", { signal }), once(stream, "close", { signal })];
  try {
    await Promise.race(heard);
  } finally {
    done.abort(); // takes the listener of the other away
    await Promise.allSettled(heard);
  }
}

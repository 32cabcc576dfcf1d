import { messageOf, SinkError } from "../errors.js";
import { drained } from "./drained.js";

/** Standard output for a sink: data is handed over before `write` resolves. */
export interface Output {
  write(text: string | Uint8Array): void | Promise<void>;
  close(): void;
}

/** @param id the sink's id, for errors */
export function openOutput(id: string): Output {
  const { stdout } = process;
  let broken: SinkError | undefined;
  const onError = (cause: NodeJS.ErrnoException) => {
    const why = readerHasGone(cause) ? "the reader of standard output closed the pipe" : messageOf(cause);
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
      stdout.off("error", ignore).on("error", ignore); // nobody is left to report a late failure to
    },
  };
}

const ignore = () => {};

/** Whether a write failed because the reader closed the pipe; Windows reports `EOF`. */
export function readerHasGone({ code }: NodeJS.ErrnoException): boolean {
  return code === "EPIPE" || code === "EOF";
}

import { randomBytes } from "node:crypto";
import { type Command, InvalidArgumentError } from "commander";
import type { AddedSink } from "../pipeline/load.js";
import type { RunSummary } from "../pipeline/run.js";
import { collect } from "./collect.js";
import { METRICS_HELP, openRunMetrics } from "./metrics.js";

interface Flags {
  readonly set: string[];
  readonly quiet?: boolean;
  readonly json?: boolean;
  readonly metrics?: string;
  /** Given without an address: true. */
  readonly web?: string | true;
}

export function register(program: Command): void {
  program
    .command("run")
    .description("Runs a pipeline until its sources end or you press Ctrl-C.")
    .argument("<file>", "pipeline file")
    .option("--set <path=value>", "overrides a value of the file (repeatable)", collect, [])
    .option(
      "--web [host:port]",
      "shows the run in a browser (default: 127.0.0.1:8088; port 0: any that is free)",
      address,
    )
    .option("-q, --quiet", "says only what goes wrong")
    .option("--json", "logs as JSON lines on standard error")
    .option("--metrics <[host:]port>", METRICS_HELP)
    .addHelpText(
      "after",
      `
Ctrl-C ends cleanly: what is under way is finished and written. A second one ends at once.
Exit codes: 0 fine, 1 the run failed, 2 the file or the usage is wrong.

--web on an address that other machines reach asks its visitors for a token: EKSPRESI_WEB_TOKEN, or one that is
made for the run and printed.

Examples:
  $ pipeline run pipelines/webcam.yaml
  $ pipeline run pipelines/recording.yaml --set sources.0.path=lobby.mp4
  $ pipeline run pipelines/demo.yaml --web
  $ pipeline run door.yaml --quiet --set sinks.0.path=- | jq .data.label
  $ pipeline run pipelines/cameras.yaml --metrics 9464 & curl -s localhost:9464/metrics`,
    )
    .action(async (file: string, flags: Flags) => {
      const [{ loadPipeline }, { runPlan }, { createLog }, { StatusLine }, { summaryLines }] =
        await Promise.all([
          import("../pipeline/load.js"),
          import("../pipeline/run.js"),
          import("./log.js"),
          import("./status-line.js"),
          import("./summary.js"),
        ]);
      const page = flags.web === undefined ? undefined : webSink(flags.web);
      const plan = await loadPipeline(file, { set: flags.set, ...(page && { sink: page }) });
      const status = new StatusLine(!flags.quiet && !flags.json);
      const log = createLog({
        quiet: flags.quiet ?? false,
        json: flags.json ?? false,
        around: (say) => status.above(say),
      });
      const metrics = await openRunMetrics(flags.metrics, log);
      const signals = listen(log.info);
      let summary: RunSummary;
      try {
        summary = await runPlan(plan, {
          log,
          stop: signals.stop,
          abort: signals.abort,
          started: (view) => {
            status.start(view);
            metrics.started(view);
          },
        });
      } finally {
        status.end();
        await metrics.close();
        signals.end();
      }
      if (flags.json)
        log.info("summary", { ...summary, errors: summary.errors.map(({ message }) => message) });
      else if (!flags.quiet) process.stderr.write(summaryLines(summary));
      // At once means at once: a reader that hangs would keep the process for what it has not read.
      if (signals.abort.aborted) process.exit(130);
      process.exitCode = summary.errors.length > 0 ? 1 : 0;
    });
}

/** `host:port`, or a port alone. */
function address(text: string): string {
  const [, host = "127.0.0.1", port = ""] = /^(?:(\[[\da-fA-F:.]+\]|[^\s:/]+):)?(\d{1,5})$/.exec(text) ?? [];
  if (port && Number(port) <= 65_535) return `${host}:${port}`;
  throw new InvalidArgumentError(
    "Write host:port, e.g. --web 127.0.0.1:8088; --web alone stands after the file.",
  );
}

/** The sink that `--web` adds. A token that had to be made is printed: without it nobody could see the page. */
function webSink(given: string | true): AddedSink {
  const listen = given === true ? undefined : given;
  const own = listen === undefined || /^(localhost|127\.[\d.]+|\[::1\]):/.test(listen);
  const set = process.env.EKSPRESI_WEB_TOKEN;
  const token = set || (own ? undefined : randomBytes(18).toString("base64url"));
  if (token && !set) process.stderr.write(`--web: the page asks for this token: ${token}\n`);
  return {
    type: "web",
    place: "--web",
    options: { ...(listen !== undefined && { listen }), ...(token && { token }) },
  };
}

/** The first SIGINT or SIGTERM stops cleanly, the second at once. */
function listen(say: (message: string) => void) {
  const stop = new AbortController();
  const abort = new AbortController();
  const onSignal = () => {
    if (stop.signal.aborted) return abort.abort();
    say("stopping: finishing what is under way (once more to stop at once)");
    stop.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    stop: stop.signal,
    abort: abort.signal,
    end: () => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}

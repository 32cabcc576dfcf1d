import type { Command } from "commander";
import { expectFfmpeg } from "../media/ffmpeg.js";
import { collect } from "./collect.js";
import { METRICS_HELP } from "./metrics.js";
import { Signals } from "./signals.js";
import { webAddress, webSink } from "./web.js";

interface Flags {
  readonly set: string[];
  readonly quiet?: boolean;
  readonly json?: boolean;
  readonly metrics?: string;
  /** `true` if given without an address. */
  readonly web?: string | true;
}

export function register(program: Command): void {
  program
    .command("run")
    .description("Runs a pipeline until its sources end or you press Ctrl-C.")
    .argument("<file>", "pipeline file")
    .option("--set <path=value>", "overrides a value in the file (repeatable)", collect, [])
    .option(
      "--web [[host:]port]",
      "shows the run in a browser (default: 127.0.0.1:8088; port 0: any free port)",
      webAddress,
    )
    .option("-q, --quiet", "prints only warnings and errors")
    .option("--json", "logs as JSON lines on standard error")
    .option("--metrics <[host:]port>", METRICS_HELP)
    .addHelpText(
      "after",
      `
Ctrl-C stops cleanly: frames in progress are finished and written. A second one stops at once.
Closing the terminal stops cleanly too, even with nohup; to go on without it, use setsid.
Exit codes: 0 success, 1 the run failed, 2 wrong file or usage.
Paths in the file are relative to the file, those in --set to the working directory.

If other machines can reach the --web address, visitors must give a token: EKSPRESI_WEB_TOKEN, or one that is generated
for the run and printed.

Examples:
  $ pipeline run pipelines/webcam.yaml
  $ pipeline run pipelines/recording.yaml --set sources.0.path=lobby.mp4
  $ pipeline run pipelines/demo.yaml --web
  $ pipeline run door.yaml --quiet --set sinks.0.path=- | jq .data.label
  $ pipeline run pipelines/cameras.yaml --metrics 9464   # then: curl localhost:9464/metrics`,
    )
    .action(async (file: string, flags: Flags) => {
      expectFfmpeg();
      const [{ loadPipeline }, { runShown }, { summaryLines }] = await Promise.all([
        import("../pipeline/load.js"),
        import("./run-shown.js"),
        import("./summary.js"),
      ]);
      const page = flags.web === undefined ? undefined : webSink(flags.web, flags.json);
      const plan = await loadPipeline(file, {
        set: flags.set,
        setDir: process.cwd(),
        ...(page && { add: [page] }),
      });
      const signals = new Signals();
      const summary = await runShown(plan, flags, signals).finally(() => signals.end());
      if (!flags.json && !flags.quiet) process.stderr.write(summaryLines(summary));
      // Exit hard: a reader that hangs would keep the process alive with unread output.
      if (signals.abort.aborted) process.exit(130);
      process.exitCode = summary.errors.length > 0 ? 1 : 0;
    });
}

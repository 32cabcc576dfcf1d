import { INFERENCE_FAMILIES } from "#src/inference/index.js";
import { PROCESS_FAMILIES, RUN_FAMILIES } from "#src/metrics/index.js";
import { WORKER_FAMILIES } from "#src/worker/index.js";
import { table } from "./fields.js";

/** The reference of metrics. */
export function metricsPage(): string {
  const rows = (families: readonly { name: string; type: string; help: string }[]) =>
    table(
      ["metric", "type", ""],
      families.map(({ name, type, help }) => [`\`${name}\``, type, help]),
    );
  return `# Metrics

Generated from the code by \`npm run docs\`.

\`pipeline run FILE --metrics [host:]port\` serves \`/metrics\` in Prometheus's text format, \`/healthz\` (200 as long as the
process's event loop is running) and \`/readyz\` (503, and what it is waiting for, until every camera gives pictures).
Without a host it listens on loopback only. Nothing there can change a run, and nothing needs a login.

## Each run
The label \`run\` is the pipeline's name; \`source\`, \`sink\` and \`operator\` are ids of the pipeline file.

${rows(RUN_FAMILIES)}

## \`pipeline worker --metrics\`
In addition to the metrics of each job's run, whose \`run\` is the job's id. \`/readyz\` waits for NATS and for the job queue there.

${rows(WORKER_FAMILIES)}

## \`pipeline worker --inference --metrics\`
The label \`model\` is the model's name.

${rows(INFERENCE_FAMILIES)}

## The process

${rows(PROCESS_FAMILIES)}
`;
}

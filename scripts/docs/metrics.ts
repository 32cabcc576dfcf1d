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
process turns its event loop) and \`/readyz\` (503 and what is waited for until every camera gives pictures). Without a host
it listens on loopback only; nothing there can change a run, and nothing needs a login.

## Of each run
The label \`run\` is the pipeline's name; \`source\`, \`sink\` and \`operator\` are ids of the pipeline file.

${rows(RUN_FAMILIES)}

## Of \`pipeline worker --metrics\`
Besides those of each job's run, with the job's id as \`run\`. \`/readyz\` waits for NATS.

${rows(WORKER_FAMILIES)}

## Of \`pipeline worker --inference --metrics\`
The label \`model\` is the model's name.

${rows(INFERENCE_FAMILIES)}

## Of the process

${rows(PROCESS_FAMILIES)}
`;
}

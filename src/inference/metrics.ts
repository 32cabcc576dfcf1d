import type { Family } from "../metrics/index.js";
import type { InferenceFigures } from "./server.js";

type Figures = readonly InferenceFigures[];

function family(
  name: string,
  type: "counter" | "gauge",
  help: string,
  value: (figures: InferenceFigures) => number,
): Family<Figures> {
  return {
    name,
    type,
    help,
    read: (all) => all.map((figures) => ({ labels: { model: figures.model }, value: value(figures) })),
  };
}

/** Metrics of an inference worker. */
export const INFERENCE_FAMILIES: readonly Family<Figures>[] = [
  {
    name: "ekspresi_inference_info",
    type: "gauge",
    help: "Always 1; the labels give the model and what runs it.",
    read: (all) =>
      all.map(({ model, version, provider }) => ({ labels: { model, version, provider }, value: 1 })),
  },
  family("ekspresi_inference_requests_total", "counter", "Requests received.", ({ requests }) => requests),
  family(
    "ekspresi_inference_refused_total",
    "counter",
    "Requests answered with an error, or dropped because the client had stopped waiting.",
    ({ refused }) => refused,
  ),
  family("ekspresi_inference_batches_total", "counter", "Batches run.", ({ batches }) => batches),
  family("ekspresi_inference_faces_total", "counter", "Faces in those batches.", ({ faces }) => faces),
  family(
    "ekspresi_inference_busy_seconds_total",
    "counter",
    "Time during which a batch was in progress.",
    ({ busyMs }) => busyMs / 1000,
  ),
  family("ekspresi_inference_waiting", "gauge", "Faces waiting for a batch.", ({ waiting }) => waiting),
];

import { escaped, plural, scrollable } from "../../text.js";
import { plot } from "../evaluation/curves.js";
import { page, percent } from "../evaluation/page.js";
import { STUDY_SWEEPS, type StudyRow } from "../evaluation/study.js";
import type { Settings, SweepStep } from "./definition.js";
import { type RunRecord, type SweepRecord, scoreOf } from "./record.js";

/** A sweep as one HTML page: tables, with the study's beside ours if it has one, and curves of the runs. */
export function sweepReport(record: SweepRecord): string {
  const { definition, runs, best, finished } = record;
  const title = `Sweep ${definition.name}`;
  const done = runs.filter(({ state }) => state !== "running").length;
  const winner = runs.find(({ id }) => id === best);
  return page(title, [
    `<h1>${escaped(title)}</h1><p class="note">${plural(done, "run")}, ${finished ? "finished" : "not finished yet"}; judged by ${definition.judge === "loss" ? "validation loss" : "validation accuracy"}. Figures are from the epoch that became each model.</p>`,
    winner?.kept
      ? `<div class="figures"><div><b>${percent(winner.kept.validationAccuracy)}</b><span>best validation accuracy</span></div><div><b>${escaped(winner.id)}</b><span>${escaped(settingsText(winner.settings))}</span></div></div>`
      : "",
    ...(definition.steps
      ? definition.steps.map((step, i) => stepSection(step, i, runs, best))
      : [searchSection(record)]),
  ]);
}

function settingsText(settings: Settings): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(", ");
}

const FIGURES = ["train", "validation", "loss", "validation loss"]
  .map((name) => `<th scope="col">${name}</th>`)
  .join("");

/**
 * A sweep that shares fewer values with the study is a different one, and the study's figures would not be comparable.
 */
const LEAST_IN_COMMON = 3;

function studyOf({ vary, values }: SweepStep) {
  const study = STUDY_SWEEPS[vary];
  const common = study?.rows.filter(({ value }) => values.includes(value)) ?? [];
  return common.length >= LEAST_IN_COMMON ? study : undefined;
}

function stepSection(step: SweepStep, number: number, runs: readonly RunRecord[], best?: string): string {
  const own = runs.filter((run) => run.step === number);
  const study = studyOf(step);
  const values = [...new Set([...step.values, ...(study?.rows.map(({ value }) => value) ?? [])])].sort(
    (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : 0),
  );
  const rows = values.map((value) => {
    const run = own.find(({ settings }) => String(settings[step.vary]) === String(value));
    const row = study?.rows.find((r) => r.value === value);
    const mark = run && run.id === best ? ' class="best"' : "";
    return `<tr${mark}><th scope="row">${escaped(String(value))}</th>${cells(run)}${study ? studyCells(row) : ""}</tr>`;
  });
  const fixed = own[0]
    ? settingsText(Object.fromEntries(Object.entries(own[0].settings).filter(([key]) => key !== step.vary)))
    : "";
  const heads = study
    ? `<tr><td></td><th scope="colgroup" colspan="4">this sweep</th><th scope="colgroup" colspan="4" class="study">the study, Table ${study.table} (losses as printed)</th></tr>`
    : "";
  const table = `<table><thead>${heads}<tr><th scope="col">${escaped(step.vary)}</th>${FIGURES}${study ? FIGURES.replaceAll("<th ", '<th class="study" ') : ""}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
  return `<section><h2>${number + 1}. ${escaped(step.vary)}${fixed ? `, with ${escaped(fixed)}` : ""}</h2>${scrollable(table, step.vary)}${plots(own, ({ settings }) => String(settings[step.vary]))}</section>`;
}

function searchSection({ definition, runs, best }: SweepRecord): string {
  const score = ({ kept }: RunRecord) => (kept ? scoreOf(definition, kept) : -Number.MAX_VALUE);
  const ranked = runs.toSorted((a, b) => score(b) - score(a));
  const keys = [...new Set(runs.flatMap(({ settings }) => Object.keys(settings)))];
  const rows = ranked.map((run) => {
    const settings = keys.map((key) => `<td>${escaped(String(run.settings[key] ?? ""))}</td>`).join("");
    return `<tr${run.id === best ? ' class="best"' : ""}><th scope="row">${escaped(run.id)}</th>${settings}<td>${run.state}</td><td>${run.history.length}</td>${cells(run)}</tr>`;
  });
  const heads = keys.map((key) => `<th scope="col">${escaped(key)}</th>`).join("");
  const table = `<table><thead><tr><th scope="col">run</th>${heads}<th scope="col">state</th><th scope="col">epochs</th>${FIGURES}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
  return `<section><h2>Runs</h2>${scrollable(table, "Runs")}${plots(ranked.slice(0, 16), ({ id }) => id)}</section>`;
}

function cells(run: RunRecord | undefined): string {
  if (!run?.kept) return `<td colspan="4">${run ? escaped(run.failure ?? run.state) : ""}</td>`;
  const { accuracy, validationAccuracy, loss, validationLoss } = run.kept;
  return `<td>${percent(accuracy, 2)}</td><td>${percent(validationAccuracy, 2)}</td><td>${loss.toFixed(3)}</td><td>${validationLoss.toFixed(3)}</td>`;
}

function studyCells(row: StudyRow | undefined): string {
  const values = row
    ? [
        percent(row.train / 100, 2),
        percent(row.validation / 100, 2),
        row.loss.toFixed(2),
        row.validationLoss.toFixed(2),
      ]
    : ["", "", "", ""];
  return values.map((value) => `<td class="study">${value}</td>`).join("");
}

function plots(runs: readonly RunRecord[], nameOf: (run: RunRecord) => string): string {
  const of = (figure: "validationAccuracy" | "validationLoss") =>
    runs
      .filter(({ history }) => history.length > 0)
      .map((run) => ({
        name: escaped(nameOf(run)),
        points: run.history.map((report) => ({ epoch: report.epoch, value: report[figure] })),
      }));
  return `<div class="pair">${plot("validation accuracy", of("validationAccuracy"))}${plot("validation loss", of("validationLoss"))}</div>`;
}

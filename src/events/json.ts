import type { EmotionData, EmotionEvent } from "./event.js";

/**
 * An event as JSON, the text that `JSON.stringify` gives for one whose fields are in the schema's order, in half of the
 * time: what varies little is kept as text, and most numbers of an event are shares of four digits.
 */
export function eventJson(event: EmotionEvent): string {
  const { id, source, type, subject, time, data } = event;
  const about = subject === undefined ? "" : `,"subject":${text(subject)}`;
  return `{"specversion":"1.0","id":${text(id)},"source":${known(source)},"type":${known(type)}${about},"time":${text(time)},"datacontenttype":"application/json","data":${dataJson(data)}}`;
}

/** The `data` of an event as JSON. */
export function dataJson(data: EmotionData): string {
  const { pipeline, camera, track, kind, label, confidence, probabilities, raw } = data;
  const { box, relativeBox, frame, picture, mediaTimeMs, sinceMs, model, purpose, retention } = data;
  let json = `{"pipeline":${known(pipeline)},"camera":${known(camera)},"track":${track},"kind":"${kind}","label":${known(label)},"confidence":${number(confidence)},"probabilities":${shares(probabilities)}`;
  if (raw !== undefined) json += `,"raw":${shares(raw)}`;
  json += `,"box":${rectangle(box)},"relativeBox":${rectangle(relativeBox)},"frame":${frame}`;
  if (picture !== undefined) json += `,"picture":${text(picture)}`;
  json += `,"mediaTimeMs":${number(mediaTimeMs)},"sinceMs":${number(sinceMs)},"model":{"name":${known(model.name)},"version":${known(model.version)}}`;
  if (purpose !== undefined) json += `,"purpose":${known(purpose)}`;
  if (retention !== undefined) json += `,"retention":${known(retention)}`;
  return `${json}}`;
}

function shares(byName: Readonly<Record<string, number>>): string {
  let json = "";
  for (const name in byName) json += `${json ? "," : "{"}${known(name)}:${number(byName[name] ?? 0)}`;
  return json ? `${json}}` : "{}";
}

function rectangle({ x, y, width, height }: EmotionData["box"]): string {
  return `{"x":${number(x)},"y":${number(y)},"width":${number(width)},"height":${number(height)}}`;
}

/** What JSON must escape: quotes, backslashes, control characters, halves of surrogate pairs. */
const ESCAPED = /["\\\p{Cc}\p{Cs}]/u;

function text(value: string): string {
  return ESCAPED.test(value) ? JSON.stringify(value) : `"${value}"`;
}

/** Names that came before: there are few, and each event has the same. */
const names = new Map<string, string>();

function known(name: string): string {
  let json = names.get(name);
  if (json === undefined) {
    json = JSON.stringify(name);
    if (names.size >= 1000) names.clear();
    names.set(name, json);
  }
  return json;
}

const PARTS = 10_000;
/** Texts of 0, 0.0001, ... 1: a double takes far longer to write. */
const written: string[] = [];

function number(value: number): string {
  const part = Math.round(value * PARTS);
  if (part < 0 || part > PARTS || part / PARTS !== value) return Number.isFinite(value) ? `${value}` : "null";
  let json = written[part];
  if (json === undefined) {
    json = String(part / PARTS);
    written[part] = json;
  }
  return json;
}

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of pipeline files
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { loadPipeline } from "#src/pipeline/load.js";
import { optionsSchema, readOptions } from "#src/pipeline/options.js";
import { pipelineSchema } from "#src/pipeline/schema.js";
import { registry } from "#src/registry.js";

const folder = fileURLToPath(new URL("../../pipelines/", import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));
const validate = new Ajv({ allErrors: true, strict: false }).compile(pipelineSchema(registry));
/** Values for the variables that shipped pipelines leave to the user. */
const env = { DOOR_URL: "rtsp://user:secret@127.0.0.1/1", HALL_URL: "rtsp://127.0.0.1/2" };

describe("shipped pipelines", () => {
  for (const name of files) {
    it(`${name} is valid for the loader and for editors`, async () => {
      await loadPipeline(`${folder}${name}`, { env });
      const text = readFileSync(`${folder}${name}`, "utf8");
      assert(validate(parse(text)), JSON.stringify(validate.errors));
      const [first, second] = text.split("\n");
      assert.equal(first, "# yaml-language-server: $schema=../schema/pipeline.schema.json");
      assert.match(second ?? "", /^# [A-Z]/);
    });
  }
});

describe("every component", () => {
  for (const component of registry) {
    it(`${component.type} has a valid example and describes every option`, () => {
      const items = parse(component.example) as Record<string, unknown>[];
      assert(Array.isArray(items) && items.length > 0);
      for (const { type, id: _, ...options } of items) {
        assert.equal(type, component.type);
        assert.deepEqual(readOptions(component.options, options, () => "/").problems, []);
      }
      for (const [name, { description }] of Object.entries(optionsSchema(component).properties ?? {}))
        assert(description, `${component.type}.${name} has no description`);
    });
  }

  it("has a unique type", () => {
    const types = registry.map(({ type }) => type);
    assert.deepEqual(types, [...new Set(types)]);
  });
});

describe("the editors' schema", () => {
  it("rejects what the loader rejects, and allows variables anywhere and numbers for texts", () => {
    const pipeline = (operator: object) => ({
      version: 1,
      sources: [{ type: "file", path: "a.mp4" }],
      operators: [operator],
      sinks: [{ type: "console" }],
    });
    assert(validate(pipeline({ type: "detect", every: "${N}", minSize: "8%" })));
    assert(validate(pipeline({ type: "classify", batch: { size: "${N}", maxWait: "${W:-5ms}" } })));
    assert(validate(pipeline({ type: "detect", id: 1, from: [7, "door"], cascade: 5 })));
    assert(!validate(pipeline({ type: "detect", evry: 5 })));
    assert(!validate(pipeline({ type: "detect", every: "five" })));
    assert(!validate(pipeline({ type: "detect", minSize: "8pt" })));
    assert(!validate(pipeline({ type: "detcet" })));
    assert(!validate(pipeline({ minSize: "8%" })));
    assert.deepEqual(
      validate.errors?.map(({ message }) => message),
      ["must have required property 'type'"],
    );
  });
});

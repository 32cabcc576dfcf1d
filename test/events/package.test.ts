import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { connect } from "@nats-io/transport-node";
import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import { type EmotionEvent, isEmotionEvent, parseEvent, type EmotionEvent as Schema } from "ekspresi/events";
import { build } from "esbuild";
import type { Static } from "typebox";
import { parseSubject, readEvent } from "#src/nats/index.js";
import { EXAMPLE } from "../../scripts/docs/example-event.js";
import { eventOf } from "../support/event.js";
import { NatsServer, needsNatsServer } from "../support/nats-server.js";
import { publish, sent } from "../support/sent.js";

const root = new URL("../../", import.meta.url);

describe("ekspresi/events", () => {
  it("validates events, allowing additional fields and naming what is wrong", () => {
    assert(isEmotionEvent(eventOf(1)));
    assert.deepEqual(parseEvent({ ...EXAMPLE, later: 1 }), { ...EXAMPLE, later: 1 });
    const { label: _, ...data } = EXAMPLE.data;
    assert(!isEmotionEvent({ ...EXAMPLE, data }));
    assert.throws(() => parseEvent({ ...EXAMPLE, data }), {
      message: "not an emotion event: `data.label` is missing",
    });
    assert.throws(() => parseEvent("happy"), TypeError);
  });

  it("has types with descriptions for editors, equal to the schema's", () => {
    const types = readFileSync(new URL("dist/events/event.d.ts", root), "utf8");
    assert.match(types, /\/\*\* .+ \*\/\s+sinceMs: number;/);
    const there = (event: Static<typeof Schema>): EmotionEvent => event;
    const back = (event: EmotionEvent): Static<typeof Schema> => event;
    assert.equal(back(there(EXAMPLE)), EXAMPLE);
  });

  it("validates in a page whose policy forbids `eval`, in a few kilobytes", async () => {
    const { outputFiles } = await build({
      stdin: {
        contents: 'import { whyNoEvent } from "ekspresi/events"; told = events.map(whyNoEvent);',
        resolveDir: fileURLToPath(root),
      },
      bundle: true,
      minify: true,
      write: false,
    });
    const [{ text } = assert.fail()] = outputFiles;
    assert(text.length < 30_000, `${text.length} bytes`);
    const page = { events: [EXAMPLE, { ...EXAMPLE, time: "2026-13-01T00:00:00Z" }], told: [] };
    runInContext(text, createContext(page, { codeGeneration: { strings: false, wasm: false } }));
    assert.equal(JSON.stringify(page.told), '[null,"`time` must match format \\"date-time\\""]');
  });
});

describe("schema/event.schema.json", () => {
  it("names its draft and accepts an event, in ajv's strict mode", () => {
    const text = readFileSync(new URL("schema/event.schema.json", root), "utf8");
    const schema = JSON.parse(text) as { readonly $schema: string };
    assert.equal(schema.$schema, "http://json-schema.org/draft-07/schema#");
    const ajv = new Ajv();
    addFormats.default(ajv);
    assert(ajv.validate(schema, EXAMPLE), ajv.errorsText());
    assert(!ajv.validate(schema, { ...EXAMPLE, id: "" }));
  });
});

describe("schema/asyncapi.json", () => {
  interface Message {
    readonly headers: object;
    readonly payload: { readonly $ref: string };
    readonly examples: readonly { readonly headers: Record<string, string>; readonly payload: unknown }[];
  }
  const document = JSON.parse(readFileSync(new URL("schema/asyncapi.json", root), "utf8")) as {
    channels: { emotion: { address: string } };
    components: { messages: Record<string, Message> };
  };
  const { messages } = document.components;
  const ajv = new Ajv({ strict: false });
  addFormats.default(ajv);
  ajv.addSchema(document, "asyncapi");

  for (const mode of ["structured", "binary"] as const)
    it(`${mode}: its schemas accept what the sink sends, and its example decodes to the event it shows`, () => {
      const { headers, payload, examples } = messages[mode] ?? assert.fail(mode);
      const schema = { $ref: `asyncapi${payload.$ref}` };
      for (const event of [EXAMPLE, eventOf(7)]) {
        const message = sent(event, mode);
        const pairs = Object.fromEntries([...message.headers].map(([name, [value]]) => [name, value]));
        assert(ajv.validate(headers, pairs), ajv.errorsText());
        assert(ajv.validate(schema, JSON.parse(message.data.toString())), ajv.errorsText());
      }
      assert(!ajv.validate(schema, {}));
      const wrong = Object.entries(EXAMPLE).filter(([name]) => name !== "data");
      for (const [name] of wrong) {
        const own = mode === "binary" ? `ce-${name}` : name;
        const told = mode === "binary" ? examples[0]?.headers : (examples[0]?.payload as object);
        const { [own]: _, ...rest } = told as Record<string, unknown>;
        assert(!ajv.validate(mode === "binary" ? headers : schema, rest), `without ${own}`);
      }
      const [example] = examples;
      assert(example);
      const data = Buffer.from(JSON.stringify(example.payload));
      const found = Object.entries(example.headers).map(([name, value]): [string, string[]] => [
        name,
        [value],
      ]);
      assert.deepEqual(readEvent({ headers: found, data }), EXAMPLE);
    });

  it("has the sink's default subject", () => {
    assert.equal(parseSubject(document.channels.emotion.address).of(EXAMPLE), "emotion.door.3");
  });
});

describe("examples/subscribe.ts", () => {
  it("prints what a pipeline publishes when copied to its own folder, and ends with Ctrl-C", async function () {
    this.timeout(60_000);
    needsNatsServer(this);
    const server = await NatsServer.start();
    // As after `npm install`: a package without `"type": "module"`.
    const folder = mkdtempSync(join(tmpdir(), "ekspresi-subscribe-"));
    mkdirSync(join(folder, "node_modules/@nats-io"), { recursive: true });
    symlinkSync(fileURLToPath(root), join(folder, "node_modules/ekspresi"));
    const client = "node_modules/@nats-io/transport-node";
    symlinkSync(fileURLToPath(new URL(client, root)), join(folder, client));
    writeFileSync(join(folder, "package.json"), "{}");
    copyFileSync(new URL("examples/subscribe.ts", root), join(folder, "subscribe.ts"));
    const tsx = createRequire(import.meta.url).resolve("tsx/cli");
    const child = spawn(process.execPath, [tsx, "subscribe.ts", server.url], {
      cwd: folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const connection = await connect({ port: server.port });
    try {
      let out = "";
      child.stdout.on("data", (chunk: Buffer) => {
        out += chunk;
      });
      // Core NATS stores nothing, so send until the example has subscribed.
      while (!out.includes("\n")) {
        publish(connection, "emotion.door.3", EXAMPLE);
        await connection.flush();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.equal(out.split("\n")[0], "door #3 changed: happy 82 %");
      const exit = once(child, "exit");
      child.kill("SIGINT");
      assert.deepEqual(await exit, [0, null]);
    } finally {
      child.kill("SIGKILL");
      await connection.close();
      await server.remove();
      rmSync(folder, { recursive: true });
    }
  });
});

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of pipeline files
import assert from "node:assert/strict";
import { resolve } from "node:path";
import fc from "fast-check";
import { parsePipeline } from "#src/pipeline/load.js";
import { expand } from "#src/pipeline/variables.js";
import { parseYaml } from "#src/pipeline/yaml.js";
import { components } from "../support/components.js";

const TEXT = `version: 1
sources:
- { id: door, type: clip, path: door.mp4, from: 90s }
operators:
- { type: halve, size: 640x360 }
- { type: find }
- { type: settle, batch: { maxWait: 1s }, steps: [1s, 20] }
- { type: tell }
sinks:
- { type: lines, path: "\${OUT:-out.jsonl}", rotate: 10MB }
`;

function optionsOf(id: string, set: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const plan = parsePipeline(TEXT, resolve("/base"), { registry: components, set, env });
  const node = plan.nodes.find((n) => n.id === id);
  assert(node, `no node ${id}`);
  return node.options;
}

describe("a pipeline file", () => {
  it("is loaded with units converted, defaults filled in, and paths relative to the file", () => {
    assert.deepEqual(optionsOf("door"), { path: resolve("/base/door.mp4"), from: 90_000 });
    assert.deepEqual(optionsOf("halve"), { size: { width: 640, height: 360 }, fps: 5 });
    assert.deepEqual(optionsOf("find"), { minSize: { unit: "%", value: 8 }, every: 1, engine: "haar" });
    assert.deepEqual(optionsOf("settle"), { batch: { maxWait: 1000, size: 32 }, steps: [1000, 20] });
    assert.deepEqual(optionsOf("lines"), { path: resolve("/base/out.jsonl"), rotate: 10_000_000 });
  });

  it("may have a byte order mark and the line ends of Windows", () => {
    const plan = (text: string) => parsePipeline(text, resolve("/base"), { registry: components, env: {} });
    assert.deepEqual(plan(`\uFEFF${TEXT.replaceAll("\n", "\r\n")}`), plan(TEXT));
  });

  it("is overridden by --set by index, by id, by type, and in mappings it does not have", () => {
    assert.equal(optionsOf("door", ["sources.0.path=/b.mp4"]).path, resolve("/b.mp4"));
    assert.equal(optionsOf("door", ["sources.door.path=-"]).path, "-");
    assert.equal(optionsOf("find", ["operators.find.every=5"]).every, 5);
    assert.deepEqual(optionsOf("settle", ["operators.settle={ type: settle, batch: { size: 4 } }"]), {
      batch: { size: 4, maxWait: 15 },
    });
    assert.equal(optionsOf("find", ["operators.find.every=5", "operators.find.every=6"]).every, 6);
  });

  it("gets an extra sink, or only its options if it already has one", () => {
    const sinksOf = (text: string, options: Record<string, unknown>) =>
      parsePipeline(text, "/", {
        registry: components,
        add: [{ section: "sinks", present: "set", type: "screen", place: "--screen", options }],
      }).nodes.flatMap(({ id, component, options }) => (component.role === "sink" ? [{ id, options }] : []));
    const own = { id: "lines", options: { path: resolve("/out.jsonl"), rotate: 10_000_000 } };
    assert.deepEqual(sinksOf(TEXT, { port: 7 }), [own, { id: "screen", options: { port: 7 } }]);
    const with8 = `${TEXT}- { id: mine, type: screen, port: 8 }\n`;
    assert.deepEqual(sinksOf(with8, { port: 7 }), [own, { id: "mine", options: { port: 7 } }]);
    assert.deepEqual(sinksOf(with8, {}), [own, { id: "mine", options: { port: 8 } }]);
    assert.deepEqual(sinksOf(TEXT.split("sinks:")[0] ?? "", {}), [{ id: "screen", options: {} }]);
    assert.throws(() => sinksOf(TEXT, { port: "x" }), /^ConfigError: --screen: screen: /);
  });

  it("gets a missing operator, and a second sink of a type it already has", () => {
    const nodesOf = (text: string) =>
      parsePipeline(text, "/", {
        registry: components,
        add: [
          { section: "operators", present: "keep", type: "tell", place: "--tell", options: {} },
          { section: "sinks", present: "more", type: "lines", place: "--tell", options: { path: "/more" } },
        ],
      }).nodes.map(({ id }) => id);
    const ids = nodesOf(TEXT);
    assert.deepEqual(ids.slice(-3), ["tell", "lines", "lines-2"]);
    assert.equal(ids.length, 7);
    const silent = TEXT.split("sinks:")[0]?.replace(/^ *- \{? ?(id: \w+, )?type: tell.*$\n?/m, "") ?? "";
    assert.doesNotMatch(silent, /tell/);
    assert.deepEqual(nodesOf(silent).slice(-2)[0], "tell");
  });

  it("resolves paths against its folder, and those of --set against the working directory", () => {
    const paths = (...set: string[]) => {
      const { nodes } = parsePipeline(TEXT, resolve("/base"), {
        registry: components,
        set,
        setDir: resolve("/here"),
      });
      return nodes.flatMap(({ options }) => (typeof options.path === "string" ? [options.path] : []));
    };
    const [source, ...rest] = paths();
    assert.ok(source?.startsWith(resolve("/base")), source);
    assert.deepEqual(paths("sources.0.path=b.mp4"), [resolve("/here/b.mp4"), ...rest]);
    assert.deepEqual(paths("sources.0={ type: clip, path: c.mp4 }"), [resolve("/here/c.mp4"), ...rest]);
  });

  it("allows variables in --set", () => {
    assert.equal(optionsOf("find", ["operators.find.every=${EVERY}"], { EVERY: "7" }).every, 7);
  });

  it("keeps a number as a string where a string is expected", () => {
    const plan = parsePipeline(
      TEXT.replace("type: clip, path: door.mp4, from: 90s", 'type: camera, url: "${URL}"'),
      "/",
      {
        registry: components,
        env: { URL: "42" },
      },
    );
    assert.equal(plan.nodes[0]?.options.url, "42");
  });

  it("keeps codes as they are written, and refuses numbers too long to be exact where a string is expected", () => {
    for (const url of ["007", "-0123"]) {
      const text = TEXT.replace("type: clip, path: door.mp4, from: 90s", `type: camera, url: ${url}`);
      const { nodes } = parsePipeline(text, "/", { registry: components });
      assert.equal(nodes[0]?.options.url, url);
      const set = parsePipeline(text, "/", { registry: components, set: [`sources.0.url=${url}1`] });
      assert.equal(set.nodes[0]?.options.url, `${url}1`);
    }
    assert.equal(optionsOf("find", ["operators.find.every=10"]).every, 10);
    const long = TEXT.replace(
      "type: clip, path: door.mp4, from: 90s",
      "type: camera, url: 12345678901234567890",
    );
    assert.throws(
      () => parsePipeline(long, "/", { registry: components }),
      /`url` is \d+; it must be a string$/,
    );
  });

  it("keeps a number in a variable as a name, and takes numbers as ids", () => {
    const text = TEXT.replace("version: 1", 'version: 1\nname: "${SITE}"').replace(
      "id: door",
      'id: "${CAM}"',
    );
    const options = { registry: components, env: { SITE: "12", CAM: "7" } };
    for (const from of ['"${CAM}"', "[7]"]) {
      const plan = parsePipeline(text.replace("type: halve,", `type: halve, from: ${from},`), "/", options);
      assert.equal(plan.name, "12");
      assert.deepEqual(plan.nodes[1]?.from, ["7"]);
    }
  });

  it("merges anchors", () => {
    const text = TEXT.replace(
      "- { type: find }",
      "- &base { type: find, every: 3 }\n- { <<: *base, id: other, from: halve, every: 4 }",
    );
    const plan = parsePipeline(text.replace("batch", "from: [find, other], batch"), "/", {
      registry: components,
    });
    assert.deepEqual(
      plan.nodes.filter(({ component }) => component.type === "find").map(({ options }) => options.every),
      [3, 4],
    );
  });
});

describe("variables", () => {
  const fail = (message: string): never => assert.fail(message);
  const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);

  it("leave a text without variables unchanged", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!text.includes("${"));
        assert.equal(expand(text, {}, fail), text);
      }),
    );
  });

  it("are replaced within the surrounding text", () => {
    const plain = fc.string().filter((text) => !text.includes("$"));
    fc.assert(
      fc.property(plain, name, fc.string({ minLength: 1 }), plain, (before, key, value, after) => {
        fc.pre(before + after !== "");
        assert.equal(expand(`${before}\${${key}}${after}`, { [key]: value }, fail), before + value + after);
      }),
    );
  });

  it("use their default when empty or not set, and are not expanded after `$${`", () => {
    fc.assert(
      fc.property(name, fc.stringMatching(/^[a-z][a-z/.:]{0,8}$/), (key, fallback) => {
        assert.equal(expand(`\${${key}:-${fallback}}`, { [key]: "" }, fail), fallback);
        assert.equal(expand(`$\${${key}}`, { [key]: "secret" }, fail), `\${${key}}`);
      }),
    );
  });

  it("take a Windows path as their default, and a `}` after a backslash", () => {
    for (const path of ["C:\\rec\\new.mp4", "\\\\nas\\rec\\x.mp4", "C:\\rec\\"])
      assert.equal(expand(`\${V:-${path}}`, {}, fail), path);
    assert.equal(expand("${V:-{a,b\\}.mp4}", {}, fail), "{a,b}.mp4");
  });

  it("become booleans, or numbers that print as they were written, if they stand alone", () => {
    fc.assert(
      fc.property(fc.integer(), (number) => {
        assert.equal(expand("${N}", { N: String(number) }, fail), number);
      }),
    );
    assert.equal(expand("${B}", { B: "true" }, fail), true);
    assert.equal(expand("${N}", { N: "007" }, fail), "007");
    assert.equal(expand("${N}", { N: "1234567890123456789012" }, fail), "1234567890123456789012");
    assert.equal(expand("x${N}", { N: "5" }, fail), "x5");
  });
});

describe("places", () => {
  const key = fc.stringMatching(/^[a-z]{1,6}$/);
  const tree: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 3 },
      fc.integer(),
      key,
      fc.array(tie("node"), { minLength: 1, maxLength: 3 }),
      fc.dictionary(key, tie("node"), { minKeys: 1, maxKeys: 3 }),
    ),
  })).node;

  it("point to where each value is written", () => {
    fc.assert(
      fc.property(fc.dictionary(key, tree, { minKeys: 1, maxKeys: 4 }), (value) => {
        const text = JSON.stringify(value, null, 2);
        const file = parseYaml(text, "f");
        assert.deepEqual(JSON.parse(JSON.stringify(file.value)), JSON.parse(text));
        const lines = text.split("\n");
        const check = (part: unknown, path: (string | number)[]): void => {
          const place = file.place(path);
          assert(typeof place === "object");
          const rest = lines[place.line - 1]?.slice(place.column - 1) ?? "";
          assert.equal(rest[0], (JSON.stringify(part) ?? "")[0]);
          if (typeof part !== "object" || part === null) return;
          for (const [k, v] of Object.entries(part)) {
            check(v, [...path, Array.isArray(part) ? Number(k) : k]);
            if (Array.isArray(part)) continue;
            const at = file.keyPlace([...path, k]);
            assert(typeof at === "object");
            assert(lines[at.line - 1]?.slice(at.column - 1).startsWith(JSON.stringify(k)));
          }
        };
        check(value, []);
      }),
    );
  });
});

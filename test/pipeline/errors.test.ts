// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of pipeline files
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "#src/errors.js";
import { loadPipeline, parsePipeline } from "#src/pipeline/load.js";
import { components } from "../support/components.js";
import { cpuMs } from "../support/cpu-time.js";
import { onMachine } from "../support/machine.js";

function errorsOf(text: string, set: string[] = [], env: NodeJS.ProcessEnv = {}): string[] {
  try {
    parsePipeline(text, "/base", { registry: components, env, set });
  } catch (error) {
    assert(error instanceof ConfigError, String(error));
    return error.message.replaceAll(/<pipeline>:(?=\d)/g, "").split("\n");
  }
  return [];
}

const HEAD = "version: 1\nsources: [{ type: clip, path: a.mp4 }]\n";
const TAIL = "sinks: [{ type: lines, path: a.jsonl }]\n";
/** A complete file around an operator list. */
const around = (operators: string) => `${HEAD}operators:\n${operators}\n${TAIL}`;

const CASES: [name: string, text: string, expected: string[]][] = [
  [
    "an empty file",
    "",
    ["1:1: a pipeline file must be a mapping with sources, operators and sinks, not empty"],
  ],
  [
    "a list",
    "- a\n",
    ['1:1: a pipeline file must be a mapping with sources, operators and sinks, not ["a"]'],
  ],
  ["a duplicate key", "version: 1\nversion: 1\n", ["2:1: duplicate key; keep one of them"]],
  ["a tab", "version: 1\nsources:\n\t- a\n", ["3:1: YAML cannot be indented with tabs; use spaces"]],
  [
    "an unresolved alias",
    "version: *one\n",
    ["1:10: `*one` refers to no anchor above it; add `&one` to a value above"],
  ],
  [
    "a recursive alias",
    "version: &a [*a]\n",
    ["1:14: `*a` is inside the value it refers to; write the value out"],
  ],
  [
    "aliases that multiply",
    `a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [${"*a,".repeat(12)}]\nc: &c [${"*b,".repeat(12)}]\nd: [${"*c,".repeat(12)}]\n`,
    ["<pipeline>: aliases (`*name`) expand to more than 100 values; write them out, or use fewer"],
  ],
  [
    "thousands of aliases",
    `version: &a 1\nsources: [${"*a,".repeat(50_000)}]\n`,
    ["<pipeline>: more than 1,000 aliases (`*name`); write the values out"],
  ],
  [
    "nested duplicate keys",
    "version: 1\nsources: [{ type: clip, path: a.mp4, type: clip }]\nsinks:\n  - path: a\n    path: b\n",
    ["2:38: duplicate key; keep one of them", "5:5: duplicate key; keep one of them"],
  ],
  [
    "two documents",
    "version: 1\n---\nversion: 1\n",
    ["2:1: a second document starts here (`---`); put each in its own file"],
  ],
  [
    "a tag",
    "version: !env V\n",
    ["1:10: Unresolved tag: !env; remove the tag, and write variables as ${NAME}"],
  ],
  [
    "only a comment",
    "# nothing\n",
    ["1:1: a pipeline file must be a mapping with sources, operators and sinks, not empty"],
  ],
  [
    "only a word",
    "hello\n",
    ['1:1: a pipeline file must be a mapping with sources, operators and sinks, not "hello"'],
  ],
  [
    "a key indented more than its neighbours",
    "version: 1\nsources:\n  - type: clip\n     path: a.mp4\n",
    ["3:11: a key cannot start here; indent it like its neighbours, and quote strings that contain `: `"],
  ],
  [
    "a list that is not closed",
    "sources: [{ type: clip }\nsinks: []\n",
    ["2:1: the [ before this is not closed; add ]"],
  ],
  [
    "a mapping that is not closed",
    "sources: { type: clip\nsinks: []\n",
    ["2:1: the { before this is not closed; add }"],
  ],
  [
    "a quote that is not closed",
    'name: "lobby\nversion: 1\n',
    ["3:1: a quoted string is not closed before this; add the closing quote"],
  ],
  [
    "a Windows path within double quotes",
    'name: "C:\\Rec"\n',
    [
      "1:10: a backslash within double quotes must begin an escape sequence; put a Windows path in single quotes, or write it with /",
    ],
  ],
  ["a key without a value", "version: 1\nname\n", ["2:1: this key has no value; write `key: value`"]],
  [
    "a key that is indented too little",
    "version: 1\nsources:\n  - type: clip\n   path: a.mp4\n",
    ["4:1: this line's indentation matches nothing above it; align it with its neighbours"],
  ],
  [
    "a list item that is indented too little",
    "sources:\n  - { type: clip }\n - { type: clip }\n",
    ["3:1: this line's indentation matches nothing above it; align it with its neighbours"],
  ],
  [
    "a missing comma",
    "sources: [{ type: clip path: a.mp4 }]\n",
    [
      "1:19: this does not belong within { } or [ ]; add the comma before it, and quote strings that contain `: `",
    ],
  ],
  [
    "a missing comma between lines",
    "{ version: 1\n  name: lobby }\n",
    [
      "1:12: this does not belong within { } or [ ]; add the comma before it, and quote strings that contain `: `",
    ],
  ],
  [
    "a bracket too many",
    "sources: [{ type: clip }]]\n",
    ["1:26: this does not belong here; remove it, align it with its neighbours, or put the string in quotes"],
  ],
  [
    "a list on the line of its key",
    "sources: - { type: clip }\n",
    ["1:10: a list begins on the line after its key, or is written within [ ]"],
  ],
  [
    "what is merged and is no mapping",
    "version: 1\n<<: [1]\n",
    ["<pipeline>: `<<` takes a mapping: `<<: *name`, where `&name` marks a mapping above"],
  ],
  [
    "a value that must be quoted",
    "name: @lobby\n",
    ["1:7: a value cannot start with @; put the string in quotes"],
  ],
  [
    "a number that is NaN or infinite",
    around("- { type: settle, steps: [.inf] }"),
    [
      "4:27: settle: `steps.0` is Infinity; it must be a duration such as 400ms, 2s, 5m or 1h (a bare number is milliseconds)",
    ],
  ],
  [
    "a huge number",
    around("- { type: find, every: 99999999999999999999 }"),
    ["4:24: find: `every` is 100000000000000000000; it must be <= 100 (1 to 100)"],
  ],
  [
    "more than all",
    around("- { type: find, minSize: 250% }"),
    [
      '4:26: find: `minSize` is "250%"; it must be a length such as 80px, or up to 100% of the frame\'s smaller side such as 8% (a bare number is pixels)',
    ],
  ],
  [
    "a misspelt section, reported once",
    "version: 1\nsource: [{ type: clip, path: a }]\nsink: [{ type: lines, path: a }]\n",
    [
      "2:1: unknown key `source`; did you mean `sources`? (allowed: version, name, purpose, retention, sources, operators, sinks)",
      "3:1: unknown key `sink`; did you mean `sinks`? (allowed: version, name, purpose, retention, sources, operators, sinks)",
    ],
  ],
  [
    "two sinks that write the same file",
    `${HEAD}operators: [{ type: find }, { type: tell }]\nsinks: [{ type: lines, path: a }, { type: lines, id: b, path: ./a }]\n`,
    ["4:35: `lines` already writes to /base/a; remove one of them, or give it another `path`"],
  ],
  [
    "a sink that overwrites an input",
    `${HEAD}operators: [{ type: find }, { type: tell }]\nsinks: [{ type: lines, path: b/../a.mp4 }]\n`,
    ["4:9: `lines` would overwrite what `clip` reads, /base/a.mp4; give it another `path`"],
  ],
  [
    "a variable in braces without quotes, reported once",
    "version: 1\nsources: [{ type: clip, path: ${VIDEO} }]\n",
    ['2:31: a variable within { } or [ ] must be quoted: "${VIDEO}"'],
  ],
  ["endless nesting", "[".repeat(20_000), ["<pipeline>: nested too deeply for a configuration file"]],
  ["bytes that are no text", "version\0: 1", ["<pipeline>: not a text file; give a YAML file in UTF-8"]],
  [
    "no version",
    around("- { type: find }\n- { type: tell }").slice(11),
    ["1:1: `version` is missing; start the file with `version: 1`"],
  ],
  [
    "another version",
    around("- { type: find }\n- { type: tell }").replace("1", "2"),
    ["1:10: `version` is 2; this release supports version 1"],
  ],
  [
    "a misspelt section",
    `${HEAD}operatrs: []\n${TAIL}`,
    [
      "3:1: unknown key `operatrs`; did you mean `operators`? (allowed: version, name, purpose, retention, sources, operators, sinks)",
    ],
  ],
  ["no sinks", HEAD, ["1:1: `sinks` is missing; a pipeline needs at least one sink"]],
  [
    "empty sources",
    `version: 1\nsources: []\n${TAIL}`,
    ["2:10: `sources` is missing; a pipeline needs at least one source"],
  ],
  [
    "a section that is not a list",
    `${HEAD}operators: find\n${TAIL}`,
    ['3:12: `operators` is "find"; it must be a list: - { type: ... }'],
  ],
  [
    "an item that is not a mapping",
    around("- find"),
    ['4:3: this is "find"; it must be a mapping: - { type: ... }'],
  ],
  [
    "an item without type",
    around("- { every: 5 }"),
    ["4:3: `type` is missing; allowed: halve, find, settle, tell"],
  ],
  [
    "a misspelt type",
    around("- { type: fnid }"),
    ["4:11: unknown operator `fnid`; did you mean `find`? (allowed: halve, find, settle, tell)"],
  ],
  [
    "a type of another section",
    around("- { type: lines, path: a }"),
    ["4:11: `lines` is a sink; put it under `sinks`"],
  ],
  [
    "a misspelt option",
    around("- { type: find, minsize: 8% }"),
    ["4:17: find: unknown option `minsize`; did you mean `minSize`? (allowed: minSize, every, engine)"],
  ],
  [
    "a misspelt option of a nested mapping",
    around("- type: settle\n  batch:\n    sise: 8"),
    ["6:5: settle: unknown option `batch.sise`; did you mean `size`? (allowed: size, maxWait)"],
  ],
  [
    "a missing option",
    `version: 1\nsources: [{ type: clip }]\n${TAIL}`,
    ["2:11: clip: `path` is missing: The file."],
  ],
  [
    "a wrong type",
    around("- { type: find, every: two }"),
    ['4:24: find: `every` is "two"; it must be a whole number'],
  ],
  [
    "a number out of range",
    around("- { type: find, every: 0 }"),
    ["4:24: find: `every` is 0; it must be >= 1 (1 to 100)"],
  ],
  [
    "an unknown choice",
    around("- { type: find, engine: har }"),
    ['4:25: find: `engine` is "har"; did you mean `haar`? (allowed: haar, opencv)'],
  ],
  [
    "a wrong unit",
    around("- { type: find, minSize: 8pt }"),
    [
      '4:26: find: `minSize` is "8pt"; it must be a length such as 80px, or up to 100% of the frame\'s smaller side such as 8% (a bare number is pixels)',
    ],
  ],
  [
    "a negative duration in a list",
    around("- { type: settle, steps: [1s, -5] }"),
    [
      "4:31: settle: `steps.1` is -5; it must be a duration such as 400ms, 2s, 5m or 1h (a bare number is milliseconds)",
    ],
  ],
  [
    "a variable that is not set",
    `version: 1\nsources: [{ type: clip, path: "\${NOPE}" }]\n${TAIL}`,
    ["2:31: the variable NOPE is not set; set it, or give a default: ${NOPE:-...}"],
  ],
  [
    "a variable in a variable's default",
    `version: 1\nsources: [{ type: clip, path: "\${NOPE:-\${ALSO}}" }]\n${TAIL}`,
    ["2:31: the default of the variable NOPE contains another variable; write a plain value"],
  ],
  [
    "two sources that read standard input",
    `version: 1\nsources: [{ type: clip, path: "-" }, { type: clip, path: "-" }]\noperators: [{ type: find }, { type: tell }]\n${TAIL}`,
    ["2:58: `clip` already reads standard input; give `clip-2` another `path`"],
  ],
  [
    "a malformed variable",
    `version: 1\nname: "\${1a}"\nsources: [{ type: clip, path: a }]\n${TAIL}`,
    ["2:7: `${1a}` is not a variable; write ${NAME} or ${NAME:-default}, or $${ for a literal ${"],
  ],
  [
    "an invalid id",
    around("- { type: find, id: a b }"),
    ['4:21: the id "a b" may only contain letters, digits, `_`, `-` and `.`'],
  ],
  [
    "a duplicate id",
    around("- { type: find, id: a }\n- { type: tell, id: a }"),
    ["5:21: the id `a` is used twice; ids must be unique"],
  ],
  [
    "an unknown id in `from`",
    around("- { type: find }\n- { type: tell, from: fnid }"),
    ["5:23: `from: fnid`: unknown id; did you mean `find`? (allowed: clip, find, tell)"],
  ],
  [
    "`from` of a source",
    `version: 1\nsources: [{ type: camera, url: a, from: b }]\n${TAIL}`,
    ["2:41: source `camera` has `from`, but sources have no input; remove it"],
  ],
  [
    "`from` that names a sink",
    around("- { type: find, from: lines }\n- { type: tell }"),
    ["4:23: `from: lines` is a sink, which has no output; use the id of a source or operator"],
  ],
  [
    "an unknown id among several, on a line of its own",
    around("- { type: find }\n- type: tell\n  from: [find, fnid]"),
    ["6:16: `from: fnid`: unknown id; did you mean `find`? (allowed: clip, find, tell)"],
  ],
  [
    "`from` that names one twice",
    around("- { type: find, from: [clip, clip] }\n- { type: tell }"),
    ["4:23: `from` of `find` lists `clip` twice; remove one"],
  ],
  [
    "a graph with a cycle",
    around("- { type: halve, id: a, from: b }\n- { type: halve, id: b, from: a }"),
    ["4:3: the graph has a cycle: a -> b -> a; change a `from`"],
  ],
  [
    "kinds that do not fit",
    around("- { type: find }"),
    ["5:9: sink `lines` takes events, but `find` gives faces; put `tell` between them"],
  ],
  [
    "kinds two operators apart",
    around("- { type: halve }"),
    ["5:9: sink `lines` takes events, but `halve` gives frames; put `find`, `tell` between them"],
  ],
  [
    "kinds that no operator joins",
    around("- { type: find }\n- { type: tell }\n- { type: halve }"),
    [
      "6:3: operator `halve` takes frames, but `tell` gives events; no operator turns events into frames; give it another input with `from`",
    ],
  ],
  [
    "what nobody takes",
    around("- { type: find }\n- { type: tell }\n- { type: halve, from: clip }"),
    ["6:3: the output of `halve` is unused; add it to a `from`, or remove it"],
  ],
];

describe("errors of a pipeline file", () => {
  for (const [name, text, expected] of CASES)
    it(`give the place and the remedy: ${name}`, () => assert.deepEqual(errorsOf(text), expected));

  it("are all reported, in file order", () => {
    const text =
      "version: 1\nsources: [{ type: clip }]\noperators:\n- { type: find, every: 0, engin: haar }\nsinks: 5\nnmae: x\n";
    assert.deepEqual(
      errorsOf(text).map((line) => line.slice(0, 5)),
      ["2:11:", "4:24:", "4:27:", "5:8: ", "6:1: "],
    );
  });

  it("give --set as the place of a value it set", () => {
    const text = around("- { type: find }\n- { type: tell }");
    assert.deepEqual(errorsOf(text, ["operators.find.every=0"]), [
      "--set operators.find.every: find: `every` is 0; it must be >= 1 (1 to 100)",
    ]);
    assert.deepEqual(errorsOf(text, ["operators.fnid.every=1"]), [
      "--set operators.fnid.every: `operators.fnid` is not in the file; did you mean `find`? (allowed: find, tell)",
    ]);
    assert.deepEqual(errorsOf(text, ["name"]), [
      "--set name: `=` is missing; write e.g. --set sources.0.path=video.mp4",
    ]);
    assert.deepEqual(errorsOf(text, ["=lobby"]), [
      "--set : there is nothing before `=`; write e.g. --set sources.0.path=video.mp4",
    ]);
    assert.deepEqual(errorsOf(text, ["sources.0.path=@[cam] 1.mp4"]), [
      "--set sources.0.path: the value is not valid YAML (Plain value cannot start with reserved character @); quote text: --set 'sources.0.path=\"...\"'",
    ]);
  });

  it("never contain the password of a URL", () => {
    const text = `version: 1\nsources: [{ type: camera, url: { a: "rtsp://me:hunter2@host/1" } }]\n${TAIL}`;
    const [line = ""] = errorsOf(text);
    assert.match(line, /^2:32: camera: `url` is \{"a":"rtsp:\/\/me:\*\*\*@host\/1"\}; it must be a string$/);
    const [set = ""] = errorsOf(around("- { type: find }"), ["sources.9.url=rtsp://me:hunter2@host/1"]);
    assert.doesNotMatch(set, /hunter2/);
  });

  it("find two sinks whose files differ only in case on Windows and macOS", async () => {
    const text = `${HEAD}operators: [{ type: find }, { type: tell }]\nsinks: [{ type: lines, path: a }, { type: lines, id: b, path: A }]\n`;
    for (const platform of ["win32", "darwin"] as const)
      assert.deepEqual(await onMachine({ platform }, () => errorsOf(text)), [
        "4:35: `lines` already writes to /base/A; remove one of them, or give it another `path`",
      ]);
    assert.deepEqual(await onMachine({ platform: "linux" }, () => errorsOf(text)), []);
  });

  it("refuse a large file in moments, however many there are", () => {
    for (const text of [`{${",,".repeat(50_000)}}`, "a:\n".repeat(80_000), "%x\n".repeat(80_000)]) {
      const spentMs = cpuMs(() => assert.equal(errorsOf(text).length, 10));
      assert.ok(spentMs < 5000, `${text.slice(0, 10)}: ${spentMs} ms`);
    }
  }).timeout(60_000);

  it("name files that cannot be read", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ekspresi-"));
    try {
      const large = join(folder, "large.yaml");
      await writeFile(large, "#".repeat(5 * 2 ** 20));
      await assert.rejects(loadPipeline(join(folder, "none.yaml")), {
        message: `${folder}/none.yaml: no such file; give the path of a pipeline file`,
      });
      await assert.rejects(loadPipeline(folder), { message: `${folder}: it is a folder; give a YAML file` });
      await assert.rejects(loadPipeline(large), {
        message: `${large}: 5,242,880 characters; a configuration may have at most 262,144`,
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

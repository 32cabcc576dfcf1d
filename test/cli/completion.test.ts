// biome-ignore-all lint/suspicious/noTemplateCurlyInString: parameters of shells

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createProgram } from "#src/cli/main.js";

const scripts = new Map<string, string>();

/** What `pipeline completion <shell>` prints. */
function scriptOf(shell: string): string {
  const known = scripts.get(shell);
  if (known !== undefined) return known;
  const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
  const { stdout, status } = spawnSync(process.execPath, [main, "completion", shell], { encoding: "utf8" });
  assert.equal(status, 0);
  scripts.set(shell, stdout);
  return stdout;
}

describe("completion", () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    it(`${shell}: knows every verb and every option`, () => {
      const script = scriptOf(shell);
      for (const command of createProgram().commands) {
        assert(script.includes(command.name()), command.name());
        for (const { long } of command.options) {
          const written = shell === "fish" ? `-l ${long?.slice(2)}` : (long ?? "");
          assert(script.includes(written), `${command.name()} ${written}`);
        }
      }
    });

    it(`${shell}: is a script that the shell accepts`, function () {
      // From a file: Node's standard input is a socket, from which fish cannot read a script.
      const folder = mkdtempSync(join(tmpdir(), "ekspresi-completion-"));
      try {
        const file = join(folder, "script");
        writeFileSync(file, scriptOf(shell));
        const { status, error, stderr } = spawnSync(shell, ["-n", file], { encoding: "utf8" });
        if (error) this.skip(); // the shell is not installed here
        assert.equal(status, 0, stderr);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }

  /** Runs a script in a folder with a file and a folder to complete. */
  function say(context: Mocha.Context, shell: string, ...args: string[]): string[] {
    const folder = mkdtempSync(join(tmpdir(), "ekspresi-completion-"));
    try {
      mkdirSync(join(folder, "runs"));
      for (const name of ["lobby.mp4", "hall two.mp4", "hall *.mp4"]) writeFileSync(join(folder, name), "");
      const { stdout, stderr, error } = spawnSync(shell, args, { cwd: folder, encoding: "utf8" });
      if (error) context.skip(); // the shell is not installed here
      assert.equal(stderr, "");
      return stdout.split("\n").filter((line) => line !== "");
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** The completions each shell offers for the last of these words. */
  const SHELLS: Record<string, (context: Mocha.Context, line: string[]) => string[]> = {
    bash: (context, line) => {
      const words = `COMP_WORDS=(${line.map((word) => `'${word}'`).join(" ")}) COMP_CWORD=${line.length - 1}`;
      const run = `${scriptOf("bash")}\n${words}; _pipeline; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return say(context, "bash", "-c", run);
    },
    // Outside its line editor, zsh has no completion: print what its functions would receive.
    zsh: (context, line) => {
      const stand = [
        "compdef() { : }",
        '_describe() { local name=$@[-1]; print -rl -- "${(@)${(@P)name}%%:*}" }',
        'compadd() { print -rl -- "${(@P)2}" }',
        "_files() { print -rl -- *(N) }",
      ];
      const words = `words=(${line.map((word) => `'${word}'`).join(" ")}); CURRENT=${line.length} PREFIX='${line.at(-1)}'`;
      const all = say(
        context,
        "zsh",
        "-fc",
        `${stand.join("\n")}\n${scriptOf("zsh")}\n${words}\n_pipeline; true`,
      );
      return all.filter((word) => word.startsWith((line.at(-1) ?? "").replace("./", "")));
    },
    fish: (context, line) => {
      const asked = `complete -C '${line.join(" ")}'`;
      const all = say(context, "fish", "--no-config", "-c", `${scriptOf("fish")}\n${asked}`);
      return all.map((offered) => offered.split("\t")[0] ?? "");
    },
  };

  for (const [shell, complete] of Object.entries(SHELLS))
    it(`${shell}: completes verbs, options, choices, models and files, each in its place`, function () {
      const offers = (...line: string[]) =>
        complete(this, ["pipeline", ...line])
          .map((word) => word.replace(/^\.\/|\/$/g, ""))
          .sort();
      assert.deepEqual(offers("valid"), ["validate"]);
      assert.deepEqual(offers("hel"), ["help"]);
      assert.deepEqual(offers("validate", "--js"), ["--json"]);
      assert.deepEqual(offers("validate", "--he"), ["--help"]);
      assert.deepEqual(offers("--ver"), ["--version"]);
      assert.deepEqual(offers("graph", "--format", ""), ["dot", "mermaid"]);
      assert.deepEqual(offers("completion", "z"), ["zsh"]);
      assert.deepEqual(offers("run", "lob"), ["lobby.mp4"]);
      assert.deepEqual(offers("models", ""), ["check", "export", "list", "quantize", "show"]);
      assert.deepEqual(offers("models", "show", ""), [
        "fer2013-small",
        "fer2013-study",
        "hall *.mp4",
        "hall two.mp4",
        "lobby.mp4",
        "runs",
      ]);
      assert.deepEqual(offers("models", "show", "./ru"), ["runs"]);
      assert.deepEqual(offers("models", "export", "runs", "--format", "t"), ["tfjs"]);
      assert.deepEqual(offers("models", "quantize", "runs", "--data", "lob"), ["lobby.mp4"]);
      assert.deepEqual(offers("evaluate", "fer"), ["fer2013-small", "fer2013-study"]);
      assert.deepEqual(offers("annotate", "lobby.mp4", "--model", "fer"), ["fer2013-small", "fer2013-study"]);
      assert.deepEqual(offers("submit", "recording", "lob"), ["lobby.mp4"]);
      assert.deepEqual(offers("submit", "recording", "x", "--pipeline", "lob"), ["lobby.mp4"]);
      assert.deepEqual(offers("jobs", "--creds", "lob"), ["lobby.mp4"]);
      assert.deepEqual(offers("jobs", "cancel", ""), []);
      assert.deepEqual(offers("help", "jo"), ["jobs"]);
      assert.deepEqual(offers("help", "jobs", ""), ["cancel", "list", "remove", "retry"]);
    });

  it("bash: keeps names with spaces and stars intact", function () {
    const offered = SHELLS.bash?.(this, ["pipeline", "run", "hall "]).sort();
    assert.deepEqual(offered, ["hall *.mp4", "hall two.mp4"]);
  });

  it("bash: works with bash 3.2, the version macOS ships", () => {
    assert.doesNotMatch(scriptOf("bash"), /mapfile|readarray|declare -A|local -n|\$\{\w+(,,|\^\^)/);
  });
});

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createProgram } from "#src/cli/main.js";

/** What `pipeline completion <shell>` prints. */
function scriptOf(shell: string): string {
  const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
  const { stdout, status } = spawnSync(process.execPath, [main, "completion", shell], { encoding: "utf8" });
  assert.equal(status, 0);
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

    it(`${shell}: is a script that the shell reads`, function () {
      // From a file: fish cannot read a script from the socket that Node makes of standard input.
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

  it("bash: completes verbs, options, choices", function () {
    const complete = (words: string[]) => {
      const script = `${scriptOf("bash")}\nCOMP_WORDS=(${words.map((w) => `'${w}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _pipeline; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout, error } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
      if (error) this.skip(); // no bash here
      return stdout.trim();
    };
    assert.equal(complete(["pipeline", "valid"]), "validate");
    assert.equal(complete(["pipeline", "validate", "--j"]), "--json");
    assert.equal(complete(["pipeline", "graph", "--format", ""]), "mermaid\ndot");
    assert.equal(complete(["pipeline", "completion", "z"]), "zsh");
    const folder = mkdtempSync(join(tmpdir(), "ekspresi-completion-"));
    try {
      for (const name of ["lobby.yaml", "lobby two.yaml", "lobby *.yaml"])
        writeFileSync(join(folder, name), "");
      assert.equal(complete(["pipeline", "run", join(folder, "lobby.")]), join(folder, "lobby.yaml"));
      assert.deepEqual(
        complete(["pipeline", "run", join(folder, "lobby ")])
          .split("\n")
          .sort(),
        [join(folder, "lobby *.yaml"), join(folder, "lobby two.yaml")],
        "names with spaces and stars stay whole",
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("bash: needs nothing that bash 3.2, which macOS has, lacks", () => {
    assert.doesNotMatch(scriptOf("bash"), /mapfile|readarray|declare -A|local -n|\$\{\w+(,,|\^\^)/);
  });
});

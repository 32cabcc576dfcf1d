import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { loadPipeline } from "#src/pipeline/load.js";
import { checkUsage } from "../support/usage.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const text = (path: string) => readFileSync(`${root}${path}`, "utf8");

interface Service {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string; readonly target: string };
  readonly command?: readonly string[];
  readonly user?: string;
  readonly read_only?: boolean;
  readonly tmpfs?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly environment?: Record<string, string>;
  readonly volumes?: readonly string[];
  readonly depends_on?: Record<string, { condition: string }>;
  readonly healthcheck?: { readonly test: readonly string[] };
}
const { services, volumes } = parse(text("deploy/compose.yaml"), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};
const ours = Object.entries(services).filter(([, { build }]) => build);
const dockerfile = text("deploy/Dockerfile");

describe("deploy/compose.yaml", () => {
  it("runs commands that there are", () => {
    assert.deepEqual(ours.map(([name]) => name).sort(), ["camera", "inference", "worker"]);
    for (const [name, { command = [] }] of ours) assert.doesNotThrow(() => checkUsage(command), name);
    assert.throws(() => checkUsage(["worker", "--no-such-flag"]), /unknown option/);
  });

  it("gives our containers no root, no capability and nothing to write but a volume and /tmp", () => {
    for (const [name, service] of ours) {
      assert.equal(service.user, "1000:1000", name);
      assert.equal(service.read_only, true, name);
      assert.deepEqual([service.tmpfs, service.cap_drop], [["/tmp"], ["ALL"]], name);
    }
  });

  it("builds a stage of the Dockerfile, mounts files that there are and volumes that it declares", () => {
    for (const [, { build }] of ours) {
      assert.equal(build?.dockerfile, "deploy/Dockerfile");
      assert.match(dockerfile, new RegExp(`^FROM \\S+ AS ${build.target}$`, "m"));
    }
    for (const [name, service] of Object.entries(services))
      for (const [from = ""] of (service.volumes ?? []).map((volume) => volume.split(":")))
        assert(
          from.startsWith("./") ? existsSync(`${root}deploy/${from}`) : from in volumes,
          `${name}: ${from}`,
        );
  });

  it("waits only for what there is, and for health only where it is looked at", () => {
    for (const [name, service] of Object.entries(services))
      for (const [on, { condition }] of Object.entries(service.depends_on ?? {})) {
        assert(services[on], `${name} waits for ${on}`);
        assert.equal(condition === "service_healthy", services[on]?.healthcheck !== undefined, name);
      }
  });

  it("the stand-in camera's pipeline is fine, and plays the recording that the image brings", async () => {
    const env = services.worker?.environment ?? {};
    const { nodes } = await loadPipeline(`${root}deploy/camera.yaml`, { env });
    assert.equal(nodes.find(({ id }) => id === "camera")?.options.path, `${root}deploy/face.mp4`);
    const [, recording = ""] =
      /COPY --from=build \S+ \/app\/(\S+) \/data\/face\.mp4$/m.exec(dockerfile) ?? [];
    assert(existsSync(`${root}${recording}`), recording);
  });
});

describe("deploy/Dockerfile", () => {
  /** Its stages by name, each with its instructions. */
  const stages = new Map(
    dockerfile.split(/^(?=FROM )/m).flatMap((stage) => {
      const name = /^FROM \S+ AS (\S+)/.exec(stage)?.[1];
      return name ? [[name, stage] as const] : [];
    }),
  );

  it("each stage builds on one before it, and copies from one before it", () => {
    const before: string[] = [];
    for (const [name, stage] of stages) {
      for (const [, from = ""] of stage.matchAll(/--from=(\S+)/g))
        assert(before.includes(from), `${name}: ${from}`);
      const [, base = ""] = /^FROM (\S+)/.exec(stage) ?? [];
      assert(base.includes(":") || before.includes(base), `${name}: ${base} has no tag`);
      before.push(name);
    }
  });

  it("what runs is not root, has what the package needs, and no compiler", () => {
    for (const name of ["cpu", "gpu"]) {
      const stage = stages.get(name) ?? assert.fail(name);
      assert.match(stage, /^USER 1000:1000$/m);
      for (const part of ["dist", "models", "node_modules", "package.json", "pipelines"])
        assert(stage.includes(`/app/${part}`), `${name}: ${part}`);
      assert(!/^RUN .*\bnpm /m.test(stage), name);
    }
  });

  it("what it copies is let through by .dockerignore, and nothing else is", () => {
    const [all, ...kept] = text(".dockerignore").trim().split("\n");
    assert.equal(all, "*");
    for (const line of kept) assert(existsSync(`${root}${line.slice(1)}`), line);
    const needed = [
      "package.json",
      "package-lock.json",
      ".npmrc",
      "tsconfig.json",
      "src",
      "scripts",
      "models",
      "pipelines",
    ];
    for (const name of needed) assert(kept.includes(`!${name}`), name);
  });
});

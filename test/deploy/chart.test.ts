import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { JobQueue } from "#src/jobs/index.js";
import { connectNats } from "#src/nats/index.js";
import { Chart, type Manifest, typeErrors } from "../support/chart.js";
import { freePort, NatsServer, needsNatsServer } from "../support/nats-server.js";
import { checkUsage } from "../support/usage.js";

const folder = fileURLToPath(new URL("../../deploy/helm/ekspresi", import.meta.url));
const text = (path: string) => readFileSync(`${folder}/${path}`, "utf8");
const defaults = parse(text("values.yaml")) as Values;
const schema = JSON.parse(text("values.schema.json")) as Schema;

interface Values {
  readonly [name: string]: unknown;
}
interface Schema {
  readonly description?: string;
  readonly properties?: Record<string, Schema>;
  readonly additionalProperties?: unknown;
}
interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly livenessProbe: { readonly httpGet: { readonly path: string; readonly port: string } };
  readonly readinessProbe: { readonly httpGet: { readonly path: string; readonly port: string } };
  readonly resources: { readonly limits?: Record<string, string> };
  readonly securityContext: unknown;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}
interface Deployment extends Manifest {
  readonly spec: {
    readonly replicas?: number;
    readonly selector: { readonly matchLabels: Record<string, string> };
    readonly template: {
      readonly metadata: { readonly labels: Record<string, string> };
      readonly spec: {
        readonly containers: readonly Container[];
        readonly volumes: readonly { readonly name: string }[];
        readonly automountServiceAccountToken: boolean;
        readonly securityContext: Record<string, unknown>;
      };
    };
  };
}
interface ScaledObject extends Manifest {
  readonly spec: {
    readonly scaleTargetRef: { readonly name: string };
    readonly triggers: readonly { readonly type: string; readonly metadata: Record<string, string> }[];
  };
}

/** Everything that can be switched on. */
const ALL = {
  image: { repository: "registry.example/ekspresi", tag: "1.2.3" },
  imagePullSecrets: [{ name: "pull" }],
  connection: {
    secret: { name: "login", url: "url", creds: "u.creds", ca: "ca.crt", cert: "tls.crt", key: "tls.key" },
  },
  data: { create: true, storageClass: "nfs" },
  cameras: {
    keda: { enabled: true },
    variables: [{ name: "DOOR_URL", valueFrom: { secretKeyRef: { name: "door", key: "url" } } }],
    nodeSelector: { camera: "near" },
    tolerations: [{ key: "video", operator: "Exists" }],
    affinity: { podAntiAffinity: {} },
  },
  recordings: { keda: { enabled: true } },
  inference: {
    enabled: true,
    provider: "cuda",
    threads: 2,
    resources: { limits: { "nvidia.com/gpu": 1 } },
  },
  metrics: {
    annotations: true,
    podMonitor: { enabled: true, labels: { release: "prometheus" } },
    prometheusRule: { enabled: true, labels: { release: "prometheus" } },
  },
};
const NATS_ELSEWHERE = { nats: { enabled: false }, connection: { url: "tls://nats.example:4222" } };
const VARIANTS: Record<string, object> = {
  "as it comes": {},
  "with everything": ALL,
  "with a NATS elsewhere": NATS_ELSEWHERE,
  "with a folder of one's own, without policies": {
    data: { existingClaim: "videos" },
    networkPolicy: { enabled: false },
    serviceAccount: { name: "own" },
    recordings: { enabled: false },
  },
};

describe("deploy/helm/ekspresi", function () {
  this.timeout(120_000);
  let chart: Chart;
  before(function () {
    chart = new Chart(this, folder);
  });
  after(() => chart?.close());

  const ofKind = <T extends Manifest>(kind: string, values: object = {}) =>
    chart.render(values).filter((manifest) => manifest.kind === kind) as T[];
  const podOf = ({ spec }: Deployment) => spec.template.spec;
  const cameras = (values: object): Container =>
    containerOf(
      ofKind<Deployment>("Deployment", values).find(
        ({ metadata }) => metadata.name === "demo-ekspresi-cameras",
      ) ?? assert.fail("no cameras"),
    );
  const containerOf = (deployment: Deployment): Container =>
    podOf(deployment).containers[0] ?? assert.fail(deployment.metadata.name);

  it("gives objects that Kubernetes, KEDA and the Prometheus operator know, field by field, each name once", () => {
    for (const [name, values] of Object.entries(VARIANTS)) {
      const manifests = chart.render(values);
      assert.equal(typeErrors(manifests), "", name);
      const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
      assert.deepEqual(names, [...new Set(names)], name);
    }
    const kinds = [...new Set(chart.render(ALL).map(({ kind }) => kind))].sort();
    assert.deepEqual(kinds, [
      "Deployment",
      "NetworkPolicy",
      "PersistentVolumeClaim",
      "PodDisruptionBudget",
      "PodMonitor",
      "PrometheusRule",
      "ScaledObject",
      "ServiceAccount",
    ]);
  });

  it("that check finds a field that does not exist, and one of another type", () => {
    const [deployment] = ofKind<Deployment>("Deployment");
    assert(deployment);
    const { spec } = deployment;
    assert.match(
      typeErrors([{ ...deployment, spec: { ...spec, replica: 1 } }]),
      /'"replica"' does not exist/,
    );
    assert.match(
      typeErrors([{ ...deployment, spec: { ...spec, replicas: "1" } }]),
      /'string' is not assignable/,
    );
  });

  it("creates the alerts of alerts.yaml, their placeholders untouched", () => {
    const [rule] = ofKind<Manifest & { spec: unknown }>("PrometheusRule", ALL);
    assert.deepEqual(rule?.spec, parse(text("alerts.yaml")));
  });

  it("runs commands that there are", () => {
    for (const values of Object.values(VARIANTS))
      for (const deployment of ofKind<Deployment>("Deployment", values)) {
        const { args } = containerOf(deployment);
        assert.doesNotThrow(() => checkUsage(args), `${deployment.metadata.name}: ${args.join(" ")}`);
      }
    const args = cameras(ALL).args.join(" ");
    assert.match(args, /^worker --folder \/data --take camera --max-load 80 /);
    assert.match(args, / --env NATS_URL --read \/etc\/nats --env DOOR_URL /);
    assert.match(cameras({}).args.join(" "), / --env NATS_URL --metrics /);
    assert.doesNotMatch(cameras({ connection: { forPipelines: false } }).args.join(" "), /--env/);
    assert.match(
      args,
      / --creds \/etc\/nats\/u\.creds --tls-ca \/etc\/nats\/ca\.crt --tls-cert .* --tls-key /,
    );
  });

  it("gives pods no root, no right, nothing to write but /tmp and /data, limits, and probes at their own port", () => {
    for (const deployment of ofKind<Deployment>("Deployment", ALL)) {
      const { automountServiceAccountToken, securityContext, volumes } = podOf(deployment);
      const container = containerOf(deployment);
      assert.equal(automountServiceAccountToken, false);
      assert.equal(securityContext.runAsNonRoot, true);
      assert.deepEqual(securityContext.seccompProfile, { type: "RuntimeDefault" });
      assert.deepEqual(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
      assert(container.resources.limits?.memory, deployment.metadata.name);
      const mounts = container.volumeMounts.map(({ name }) => name);
      assert.deepEqual(
        volumes.map(({ name }) => name),
        mounts,
      );
      assert.deepEqual(
        container.volumeMounts.map(({ mountPath }) => mountPath),
        deployment.metadata.name.endsWith("inference")
          ? ["/tmp", "/etc/nats"]
          : ["/tmp", "/data", "/etc/nats"],
      );
      assert.deepEqual(container.livenessProbe.httpGet, { path: "/healthz", port: "metrics" });
      assert.deepEqual(container.readinessProbe.httpGet, { path: "/readyz", port: "metrics" });
      assert.match(container.args.join(" "), /--metrics 0\.0\.0\.0:9464/);
    }
  });

  it("shows no login: it comes from the Secret alone", () => {
    assert.deepEqual(cameras(ALL).env[0], {
      name: "NATS_URL",
      valueFrom: { secretKeyRef: { name: "login", key: "url" } },
    });
  });

  it("selects the pods that it makes, and no component another's", () => {
    const deployments = ofKind<Deployment>("Deployment", ALL);
    for (const { spec } of deployments) {
      const matches = deployments.filter((other) =>
        Object.entries(spec.selector.matchLabels).every(
          ([key, value]) => other.spec.template.metadata.labels[key] === value,
        ),
      );
      assert.equal(matches.length, 1);
    }
  });

  it("guards each component that there is with a budget of its own, which blocks no drain", () => {
    const budgets = ofKind<Manifest & { spec: { maxUnavailable: number } }>("PodDisruptionBudget", ALL);
    assert.deepEqual(
      budgets.map(({ metadata, spec }) => [metadata.name, spec.maxUnavailable]),
      ["cameras", "recordings", "inference"].map((component) => [`demo-ekspresi-${component}`, 1]),
    );
    assert.equal(ofKind("PodDisruptionBudget", { podDisruptionBudget: { enabled: false } }).length, 0);
  });

  it("wants pods to have more time to end than their recordings", () => {
    const grace = (grace: string, terminationGraceSeconds: number) => () =>
      chart.render({ recordings: { grace, terminationGraceSeconds } });
    assert.throws(
      grace("1.5m", 100),
      /recordings\.grace is 1\.5m: set recordings\.terminationGraceSeconds to 110/,
    );
    for (const [text, seconds] of [
      ["1.5m", 110],
      ["500ms", 21],
      ["1h", 3620],
    ] as const)
      assert.doesNotThrow(grace(text, seconds));
  });

  it("lets only pods that run pipelines reach their sources", () => {
    const [sources] = ofKind<
      Manifest & {
        spec: { podSelector: { matchExpressions: { values: string[] }[] }; policyTypes: string[] };
      }
    >("NetworkPolicy", ALL).filter(({ metadata }) => metadata.name === "demo-ekspresi-sources");
    assert.deepEqual(sources?.spec.policyTypes, ["Egress"]);
    assert.deepEqual(sources?.spec.podSelector.matchExpressions[0]?.values, ["cameras", "recordings"]);
  });

  it("says in one line that a NATS is wanted", () => {
    assert.throws(() => chart.render({ nats: { enabled: false } }), /name your NATS in connection\.url/);
  });

  it("tells after installation how to go on, and what is open", () => {
    assert.match(
      chart.notes(),
      /port-forward svc\/demo-nats 4222.*has no logins.*Each pod has its own \/data/s,
    );
    const quiet = chart.notes(ALL);
    assert.doesNotMatch(quiet, /has no logins|its own \/data/);
  });

  describe("KEDA's scaler", () => {
    before(function () {
      needsNatsServer(this);
    });

    it("finds the queue's consumers in what the server's monitoring tells, and counts what waits and what is held", async () => {
      const monitoring = await freePort();
      const server = await NatsServer.start({ config: `http: "127.0.0.1:${monitoring}"` });
      const nats = await connectNats({ url: server.url }, { name: "test" });
      try {
        const queue = await JobQueue.open(nats);
        for (const id of ["a", "b", "c"])
          await queue.submit(id, { kind: "camera", file: "x.yaml", yaml: "", set: [] });
        const held = (await queue.next("camera", 5000)) ?? assert.fail("no job");
        for (const { spec } of ofKind<ScaledObject>("ScaledObject", ALL)) {
          const [{ type, metadata } = assert.fail("no trigger")] = spec.triggers;
          assert.equal(type, "nats-jetstream");
          assert.equal(metadata.natsServerMonitoringEndpoint, "demo-nats-headless.apps.svc:8222");
          // What the scaler asks for, and the sum that it makes of the answer.
          const url = `http://127.0.0.1:${monitoring}/jsz?acc=${metadata.account}&consumers=true&config=true`;
          const { account_details } = (await (await fetch(url)).json()) as {
            account_details: {
              name: string;
              stream_detail: {
                name: string;
                consumer_detail: { name: string; num_pending: number; num_ack_pending: number }[];
              }[];
            }[];
          };
          const stream = account_details
            .find(({ name }) => name === metadata.account)
            ?.stream_detail.find(({ name }) => name === metadata.stream);
          const consumer = stream?.consumer_detail.find(({ name }) => name === metadata.consumer);
          assert(consumer, JSON.stringify(metadata));
          const lag = consumer.num_pending + consumer.num_ack_pending;
          assert.equal(lag, metadata.consumer === "cameras" ? 3 : 0);
        }
        held.nak();
      } finally {
        await nats.close();
        await server.remove();
      }
    });

    it("scales the deployment of its name, which then names no number of pods itself", () => {
      for (const { spec, metadata } of ofKind<ScaledObject>("ScaledObject", ALL)) {
        const target = ofKind<Deployment>("Deployment", ALL).find(
          (deployment) => deployment.metadata.name === spec.scaleTargetRef.name,
        );
        assert.equal(target?.spec.replicas, undefined, metadata.name);
        assert(target, metadata.name);
      }
    });
  });
});

describe("deploy/helm/ekspresi/values.schema.json", () => {
  const check = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true }).compile(schema);
  const wrong = (values: object) => {
    check(values);
    return (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  };

  it("takes the values that the chart brings, and those of the tests", () => {
    assert.deepEqual(wrong(defaults), []);
    for (const values of Object.values(VARIANTS)) assert.deepEqual(wrong(values), []);
  });

  it("refuses what is misspelt or cannot be", () => {
    assert.deepEqual(wrong({ camera: {} }), [" must NOT have additional properties"]);
    assert.deepEqual(wrong({ cameras: { replicas: "2" } }), ["/cameras/replicas must be integer"]);
    assert.match(
      wrong({ connection: { url: "nats://me:secret@host" } }).join(),
      /^\/connection\/url must match/,
    );
    assert.match(wrong({ queue: { ackWait: "6 seconds" } }).join(), /^\/queue\/ackWait must match/);
  });

  it("describes each value that the chart brings, and no other", () => {
    const compare = (at: string, values: Values, own: Schema) => {
      const described = Object.keys(own.properties ?? {}).filter((name) => name !== "global");
      assert.deepEqual(described.sort(), Object.keys(values).sort(), at);
      for (const [name, value] of Object.entries(values)) {
        const field = own.properties?.[name];
        assert(field?.description, `${at}.${name}`);
        if (field.additionalProperties === false) compare(`${at}.${name}`, value as Values, field);
      }
    };
    compare("values", defaults, schema);
  });
});

describe("deploy/helm/ekspresi/Chart.yaml", () => {
  const about = parse(text("Chart.yaml")) as {
    appVersion: string;
    dependencies: { name: string; condition: string }[];
  };

  it("has the package's version, and NATS's chart under a switch that there is", () => {
    const { version } = JSON.parse(readFileSync(`${folder}/../../../package.json`, "utf8")) as {
      version: string;
    };
    assert.equal(about.appVersion, version);
    assert.deepEqual(
      about.dependencies.map(({ name, condition }) => [name, condition]),
      [["nats", "nats.enabled"]],
    );
    assert.equal((defaults.nats as { enabled: boolean }).enabled, true);
  });
});

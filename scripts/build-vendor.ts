// Bundles the packages that most commands need, and only what our code imports of them, into a few files next to ours:
// they are 900 modules, which Node would load one by one (TypeBox's 537 took 0.3 s, RxJS's 225 took 0.1 s).
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";

const OUT = "dist/vendor";

interface Package {
  readonly name: string;
  readonly specifiers: readonly string[];
  /** Whether it has ES modules without anything of Node's, of which unused parts can be left out. */
  readonly modules: boolean;
}

const PACKAGES: readonly Package[] = [
  { name: "ajv", specifiers: ["ajv"], modules: false },
  { name: "commander", specifiers: ["commander"], modules: false },
  { name: "get-east-asian-width", specifiers: ["get-east-asian-width"], modules: true },
  { name: "rxjs", specifiers: ["rxjs"], modules: true },
  { name: "typebox", specifiers: ["typebox", "typebox/schema", "typebox/value"], modules: true },
  { name: "yaml", specifiers: ["yaml"], modules: false },
];

/** Our modules; those that have not changed since the last build already import the bundles. */
const ours = readdirSync("dist", { recursive: true, encoding: "utf8" })
  .map((name) => join("dist", name))
  .filter((file) => file.endsWith(".js") && dirname(file) !== join(OUT))
  .map((file) => ({ file, code: readFileSync(file, "utf8") }));

rmSync(OUT, { recursive: true, force: true });
for (const { name, specifiers, modules } of PACKAGES)
  await build({
    entryPoints: specifiers.map((specifier) => ({ in: specifier, out: nameOf(specifier) })),
    outdir: OUT,
    chunkNames: `${name}-[hash]`,
    bundle: true,
    splitting: true,
    minify: true,
    target: "node20",
    format: "esm",
    plugins: [onlyWhatWeImport()],
    logLevel: "warning",
    ...(modules ? neutral(name) : forNode(name)),
  });

for (const { file, code } of ours) {
  const here = PACKAGES.flatMap(({ specifiers }) => specifiers).reduce(
    (text, specifier) => text.replaceAll(`from "${specifier}"`, `from "${pathOf(specifier, file)}"`),
    code,
  );
  if (here !== code) writeFileSync(file, here);
}

function neutral(name: string): BuildOptions {
  return { platform: "neutral", conditions: ["es2015"], banner: { js: licenceOf(name) } };
}

/** For CommonJS modules, which `require` Node's own. */
function forNode(name: string): BuildOptions {
  const require =
    'import { createRequire as nodeRequire } from "node:module"; const require = nodeRequire(import.meta.url);';
  return { platform: "node", banner: { js: `${licenceOf(name)}\n${require}` } };
}

/** Entry points that export no more than the names that our modules import. */
function onlyWhatWeImport(): Plugin {
  return {
    name: "only-what-we-import",
    setup: (build) => {
      build.onResolve({ filter: /./ }, ({ path, kind }) =>
        kind === "entry-point" ? { path, namespace: "ours" } : undefined,
      );
      build.onLoad({ filter: /./, namespace: "ours" }, ({ path }) => ({
        contents: `export { ${[...namesOf(path)].join(", ")} } from "${path}";`,
        resolveDir: process.cwd(),
      }));
    },
  };
}

/** Names that our modules import from a package. */
function namesOf(specifier: string): Set<string> {
  const from = `(?:${specifier}|[./]+vendor/${nameOf(specifier)}\\.js)`;
  const imports = new RegExp(`import (?:(\\w+)|\\{([^}]*)\\}) from "${from}"`, "g");
  const names = ours.flatMap(({ code }) =>
    [...code.matchAll(imports)].flatMap(([, whole, list = ""]) =>
      whole ? ["default"] : list.split(",").map((name) => name.trim().replace(/ as .*/, "")),
    ),
  );
  return new Set(names.filter((name) => name !== ""));
}

function licenceOf(name: string): string {
  const folder = join("node_modules", name);
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (!file) throw new Error(`${name} has no licence file`);
  return `/* This file holds ${name}.\n${readFileSync(join(folder, file), "utf8").trim()} */`;
}

/** Never to be changed: TypeScript does not write modules again that have not changed since a build that used it. */
function nameOf(specifier: string): string {
  return specifier.split("/").at(-1) ?? specifier;
}

/** Path of a bundled package for the module in `file`. */
function pathOf(specifier: string, file: string): string {
  const path = relative(dirname(file), join(OUT, `${nameOf(specifier)}.js`)).replaceAll(sep, "/");
  return path.startsWith(".") ? path : `./${path}`;
}

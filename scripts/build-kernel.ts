// Compiles the kernels to WebAssembly: dist/haar/kernel.wasm, dist/model/crop/kernel.wasm.
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import asc from "assemblyscript/asc";

const OPTIONS = [
  // Their memory is the one that holds the frames, shared by all threads.
  "--enable=simd,threads,bulk-memory",
  "--importMemory",
  "--sharedMemory",
  "--initialMemory=1",
  "--maximumMemory=65536",
  "--runtime=stub",
  "--optimizeLevel=3",
  "--shrinkLevel=0",
  "--converge",
  "--noAssert",
  "--use=abort=",
];

// The cascade's code, which it calls, is in a table.
await compile("src/haar/kernel/index.ts", "dist/haar/kernel.wasm", ["--importTable"]);
await compile("src/model/crop/kernel/index.ts", "dist/model/crop/kernel.wasm");

async function compile(source: string, to: string, options: readonly string[] = []): Promise<void> {
  mkdirSync(dirname(to), { recursive: true });
  const { error, stderr } = await asc.main([source, `--outFile=${to}`, ...OPTIONS, ...options]);
  if (!error) return;
  process.stderr.write(`${stderr.toString()}\n${error.message}\n`);
  process.exitCode = 1;
}

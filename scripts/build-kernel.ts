// Compiles the kernels to WebAssembly: dist/haar/kernel.wasm, dist/model/crop/kernel.wasm.
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import asc from "assemblyscript/asc";

const OPTIONS = [
  "--runtime=stub",
  "--optimizeLevel=3",
  "--shrinkLevel=0",
  "--converge",
  "--noAssert",
  "--use=abort=",
];
// Its memory is the one that frames lie in, shared by all threads; what it calls stands in a table.
const IN_FRAME_MEMORY = [
  "--enable=simd,threads,bulk-memory",
  "--importMemory",
  "--importTable",
  "--sharedMemory",
  "--initialMemory=1",
  "--maximumMemory=65536",
];

await compile("src/haar/kernel/index.ts", "dist/haar/kernel.wasm", IN_FRAME_MEMORY);
await compile("src/model/crop/kernel/index.ts", "dist/model/crop/kernel.wasm", ["--enable=simd,bulk-memory"]);

async function compile(source: string, to: string, options: readonly string[]): Promise<void> {
  mkdirSync(dirname(to), { recursive: true });
  const { error, stderr } = await asc.main([source, `--outFile=${to}`, ...OPTIONS, ...options]);
  if (!error) return;
  process.stderr.write(`${stderr.toString()}\n${error.message}\n`);
  process.exitCode = 1;
}

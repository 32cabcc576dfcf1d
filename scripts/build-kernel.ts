// Compiles the Haar kernel to dist/haar/kernel.wasm.
import { mkdirSync } from "node:fs";
import asc from "assemblyscript/asc";

mkdirSync("dist/haar", { recursive: true });
const { error, stderr } = await asc.main([
  "src/haar/kernel/index.ts",
  "--outFile=dist/haar/kernel.wasm",
  "--runtime=stub",
  "--optimizeLevel=3",
  "--shrinkLevel=0",
  "--converge",
  "--noAssert",
  "--use=abort=",
  "--enable=simd,threads,bulk-memory",
  "--importMemory",
  "--importTable",
  "--sharedMemory",
  "--initialMemory=1",
  "--maximumMemory=65536",
]);
if (error) {
  process.stderr.write(`${stderr.toString()}\n${error.message}\n`);
  process.exitCode = 1;
}

import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** A program's standard output and error combined; rejects if it does not start or fails. Times out after 5 s. */
export async function outputOf(program: string, args: readonly string[], mayFail = false): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, [...args], { timeout: 5000 });
    return stdout + stderr;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    if (mayFail && (stdout || stderr)) return `${stdout ?? ""}${stderr ?? ""}`;
    throw error;
  }
}

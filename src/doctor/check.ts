import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** One check and its result. */
export interface Check {
  readonly name: string;
  /** `missing` only matters if `required` is set. */
  readonly state: "ok" | "missing";
  /** Whether nothing runs without it. */
  readonly required: boolean;
  /** What was found, in one line. */
  readonly detail: string;
  /** How to get it, in one line. */
  readonly help?: string;
}

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

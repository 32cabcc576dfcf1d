import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** What was looked at, and how it stands. */
export interface Check {
  readonly name: string;
  /** `missing` matters only where `required` is set. */
  readonly state: "ok" | "missing";
  /** Nothing runs without it. */
  readonly required: boolean;
  /** One line: what was found. */
  readonly detail: string;
  /** What to do to have it; one line. */
  readonly help?: string;
}

/** Standard output and error of a program together; rejects when it does not start or fails. Ends after 5 s. */
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

import { messageOf } from "./errors.js";

/** Formats an address; an IPv6 host gets brackets. */
export function hostPort(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Why a server cannot listen, and what to do. */
export function listenReason(cause: NodeJS.ErrnoException): string {
  if (cause.code === "EADDRINUSE")
    return "the address is in use by another program; choose another port, or 0 for any free one";
  if (cause.code === "EADDRNOTAVAIL")
    return "this machine has no such address; use 0.0.0.0 for all of its addresses";
  if (cause.code === "EACCES")
    return "permission denied; ports below 1024 need extra privileges, choose another";
  return messageOf(cause);
}

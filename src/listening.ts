import { messageOf } from "./errors.js";

/** An address as it is typed: an IPv6 one stands in brackets. */
export function hostPort(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Why a server cannot listen, and what to do. */
export function listenReason(cause: NodeJS.ErrnoException): string {
  if (cause.code === "EADDRINUSE")
    return "another program listens there; choose another port, or 0 for any that is free";
  if (cause.code === "EADDRNOTAVAIL") return "this machine has no such address; 0.0.0.0 means all it has";
  if (cause.code === "EACCES") return "permission denied; ports below 1024 need rights, choose another";
  return messageOf(cause);
}

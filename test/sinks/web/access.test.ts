import assert from "node:assert/strict";
import { hostname } from "node:os";
import { Access, hostAllowed, isLoopback, originAllowed } from "#src/sinks/web/access.js";

const TOKEN = "a token of enough letters";

describe("access to the page", () => {
  it("needs no token on addresses that only this machine can reach", () => {
    for (const host of ["127.0.0.1", "127.8.9.1", "localhost", "::1"]) assert(isLoopback(host), host);
    for (const host of ["0.0.0.0", "::", "192.168.1.4", "127.0.0.1.evil.example", "door"])
      assert(!isLoopback(host), host);
  });

  it("is granted by address, the machine's name or a configured name, but not under a foreign name", () => {
    for (const host of [
      "127.0.0.1:8088",
      "192.168.1.4",
      "[::1]:8088",
      "LOCALHOST:1",
      hostname(),
      "door.example:443",
    ])
      assert(hostAllowed(host, ["door.example"]), host);
    for (const host of [
      undefined,
      "",
      "evil.example",
      "evil.example:8088",
      "127.0.0.1.evil.example",
      "a@127.0.0.1",
    ])
      assert(!hostAllowed(host, ["door.example"]), host);
  });

  it("is granted to the page itself and to programs, not to other pages", () => {
    assert(originAllowed(undefined, "127.0.0.1:8088"));
    assert(originAllowed("http://127.0.0.1:8088", "127.0.0.1:8088"));
    assert(originAllowed("https://door.example", "door.example"));
    for (const origin of [
      "http://127.0.0.1:8089",
      "http://evil.example",
      "null",
      "http://localhost:8088",
      "",
    ])
      assert(!originAllowed(origin, "127.0.0.1:8088"), origin);
  });

  it("accepts only the right token", () => {
    const access = new Access(TOKEN);
    assert(access.tokenIs(TOKEN));
    for (const wrong of ["", TOKEN.slice(1), `${TOKEN} `, TOKEN.toUpperCase()])
      assert(!access.tokenIs(wrong));
    assert(!new Access(undefined).tokenIs(""));
  });

  it("issues a cookie valid for hours, for its port, and for another server with the same token", () => {
    const access = new Access(TOKEN);
    const now = Date.UTC(2026, 0, 1);
    const cookies = `other=1; ekspresi-8088=${access.issue(now)}`;
    assert(access.allows(cookies, 8088, now + 3_600_000));
    assert(new Access(TOKEN).allows(cookies, 8088, now));
    assert(!access.allows(cookies, 8088, now + 24 * 3_600_000));
    assert(!access.allows(cookies, 8089, now));
    assert(!new Access(`${TOKEN}!`).allows(cookies, 8088, now));
    assert(!access.allows(undefined, 8088, now));
    assert(!cookies.includes(TOKEN));
  });

  it("rejects a cookie with a modified expiry time", () => {
    const access = new Access(TOKEN);
    const now = Date.UTC(2026, 0, 1);
    const [end, signature] = access.issue(now).split(".");
    assert(!access.allows(`ekspresi-1=${Number(end) + 1}.${signature}`, 1, now));
    assert(!access.allows(`ekspresi-1=${end}.`, 1, now));
    assert(!access.allows("ekspresi-1=", 1, now));
  });

  it("lets everybody in without a token", () => {
    assert(new Access(undefined).allows(undefined, 8088, 0));
  });
});

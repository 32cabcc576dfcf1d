import assert from "node:assert/strict";
import fc from "fast-check";
import { isSecret, redact } from "#src/media/redact.js";
import { cpuMs } from "../support/cpu-time.js";

describe("what is hidden in addresses", () => {
  it("is the password, and nothing else", () => {
    for (const [text, shown] of [
      ["rtsp://user:geheim@10.0.0.7/1", "rtsp://user:***@10.0.0.7/1"],
      ["rtsp://user:p%40ss%2F@h:554/1 and nats://a:b@h", "rtsp://user:***@h:554/1 and nats://a:***@h"],
      ["nats://a:b,c@h1,nats://token@h2,tls://d:e@h3", "nats://a:***@h1,nats://***@h2,tls://d:***@h3"],
      ["rtsp://:geheim@h/1", "rtsp://:***@h/1"],
      ["http://h/a?token=geheim&x=1", "http://h/a?token=***&x=1"],
      ["http://h/a?access_token=geheim&api_key=geheim&n=1", "http://h/a?access_token=***&api_key=***&n=1"],
      ["http://h/?secret=geheim&auth=geheim&sig=geheim", "http://h/?secret=***&auth=***&sig=***"],
      ["http://h/a?usr=u&loginpas=geheim", "http://h/a?usr=u&loginpas=***"],
      ["user:geheim@10.0.0.7 and rtsp//user:geheim@host", "user:***@10.0.0.7 and rtsp//user:***@host"],
      ["http://h:8080/a@b rtsp://h:554 rtsp://user@h/1", "http://h:8080/a@b rtsp://h:554 rtsp://user@h/1"],
      [`{"url":"rtsp://u:geheim@h/1","mail":"a@b.c"}`, `{"url":"rtsp://u:***@h/1","mail":"a@b.c"}`],
    ] as const)
      assert.equal(redact(text), shown);
  });

  it("includes every option that is a password or a token by its name", () => {
    assert.deepEqual(["password", "token", "user", undefined].map(isSecret), [true, true, false, false]);
  });

  it("is found quickly in any text", () => {
    for (const part of ["a", "a://b:c", "nats://a", "?pass", "a:b"]) {
      const spentMs = cpuMs(() => redact(part.repeat(100_000 / part.length)));
      assert.ok(spentMs < 5000, `${part}: ${spentMs} ms`);
    }
  });

  it("is any password without spaces and quotes, encoded or not", () => {
    const password = fc.stringMatching(/^[a-zA-Z][!-~]{4,20}$/).filter((text) => !/["'<>]/.test(text));
    fc.assert(
      fc.property(password, (secret) => {
        for (const written of [secret, encodeURIComponent(secret)]) {
          const shown = redact(`source door: rtsp://admin:${written}@10.0.0.7:554/1: refused`);
          assert.match(shown, /^source door: rtsp:\/\/admin:\*\*\*@/);
          assert.ok(!shown.includes(written));
        }
      }),
    );
  });
});

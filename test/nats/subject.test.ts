// biome-ignore-all lint/suspicious/noTemplateCurlyInString: fields of subjects
import assert from "node:assert/strict";
import fc from "fast-check";
import { ConfigError } from "#src/errors.js";
import { covers, parseSubject, safeToken } from "#src/nats/index.js";
import { eventOf } from "../support/event.js";

const text = fc.string({ unit: "binary", maxLength: 30 });

describe("a subject template", () => {
  it("inserts an event's fields, even within a token", () => {
    const event = eventOf(1, { camera: "lobby.door 1", label: "happy", track: 7 });
    const cases: Record<string, [string, string]> = {
      "emotion.{source}.{track}": ["emotion.lobby%2Edoor%201.7", "emotion.*.*"],
      "a.{pipeline}-{kind}.{label}": ["a.test-changed.happy", "a.*.*"],
      plain: ["plain", "plain"],
    };
    for (const [template, [subject, pattern]] of Object.entries(cases)) {
      const parsed = parseSubject(template);
      assert.equal(parsed.of(event), subject);
      assert.equal(parsed.pattern, pattern);
    }
  });

  it("yields a subject that matches its own pattern, whatever the names are", () => {
    const { of, pattern } = parseSubject("emotion.{source}.{label}.{track}");
    fc.assert(
      fc.property(text, text, fc.nat(), (camera, label, track) => {
        const subject = of(eventOf(1, { camera, label, track }));
        assert.equal(subject.split(".").length, 4);
        assert(covers(pattern, subject), subject);
        assert.doesNotMatch(subject, /[\s*>\p{Cc}]|\.\.|\.$/u);
      }),
    );
  });

  it("is rejected if it cannot yield a valid subject", () => {
    const wrong: [string, RegExp][] = [
      ["emotion..x", /it has an empty token/],
      ["emotion.", /it has an empty token/],
      ["", /empty token/],
      ["emotion.*", /only for subscribers/],
      ["emotion.>", /only for subscribers/],
      ["emotion door", /spaces/],
      ["emotion.{source", /single braces/],
      [
        "emotion.{camera}",
        /unknown field \{camera\}; allowed: \{pipeline\}, \{source\}, \{track\}, \{kind\}, \{label\}/,
      ],
      ["emotion.{toString}", /unknown field \{toString\}/],
      ["$SYS.{track}", /reserved for the server/],
      ["_INBOX.{track}", /reserved for the server/],
    ];
    for (const [template, message] of wrong)
      assert.throws(
        () => parseSubject(template),
        (error: Error) => error instanceof ConfigError && message.test(error.message),
        template,
      );
  });
});

describe("a name as a token", () => {
  it("keeps letters and digits of any script, and encodes everything else", () => {
    const cases = {
      door_1: "door_1",
      "Tür-2": "Tür-2",
      受付: "受付",
      "a.b": "a%2Eb",
      "100%": "100%25",
      "*": "%2A",
      "": "_",
    };
    for (const [name, token] of Object.entries(cases)) assert.equal(safeToken(name), token);
  });

  it("can be decoded to the name, and differs for different names", () => {
    const whole = text.filter((name) => name !== "" && !/\p{Cs}/u.test(name));
    fc.assert(fc.property(whole, (name) => decodeURIComponent(safeToken(name)) === name));
  });
});

describe("whether one pattern covers another", () => {
  it("agrees with matching each subject", () => {
    const token = fc.constantFrom("a", "b", "*");
    const pattern = fc
      .tuple(fc.array(token, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([tokens, open]) => (open ? [...tokens, ">"] : tokens).join("."));
    // All subjects of up to five tokens, which can distinguish any two patterns of up to four.
    const subjects: string[] = [];
    for (let longer = [""]; (longer[0]?.length ?? 0) < 10; ) {
      longer = longer.flatMap((start) => ["a", "b", "c"].map((token) => `${start}${token}.`));
      subjects.push(...longer.map((subject) => subject.slice(0, -1)));
    }
    const matches = (wild: string, subject: string) =>
      new RegExp(`^${wild.replaceAll(".", "\\.").replaceAll("*", "[^.]+").replace(">", ".+")}$`).test(
        subject,
      );
    fc.assert(
      fc.property(pattern, pattern, (wide, narrow) => {
        if (covers(wide, narrow))
          for (const subject of subjects)
            assert(!matches(narrow, subject) || matches(wide, subject), `${wide} ${narrow} ${subject}`);
        else
          assert(
            subjects.some((subject) => matches(narrow, subject) && !matches(wide, subject)),
            `${wide} ${narrow}`,
          );
      }),
    );
  });
});

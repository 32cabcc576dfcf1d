import assert from "node:assert/strict";
import { SinkError } from "#src/errors.js";
import { SinkRunner } from "#src/pipeline/sink-runner.js";

/** A sink whose writes complete when the test says so. */
function manual() {
  const taken: number[] = [];
  const ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  return {
    taken,
    ends,
    write: (item: number) => {
      taken.push(item);
      return new Promise<void>((resolve, reject) => ends.push({ resolve, reject }));
    },
    close: () => {},
  };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("the runner of a sink", () => {
  it("writes one item at a time, in order, and returns each lease once", async () => {
    const sink = manual();
    const done: number[] = [];
    const runner = new SinkRunner<number>(
      "s",
      sink,
      (item) => done.push(item),
      () => assert.fail(),
    );
    for (const item of [1, 2, 3]) runner.push(item);
    for (const n of [1, 2, 3]) {
      assert.equal(sink.taken.length, n);
      sink.ends[n - 1]?.resolve();
      await settle();
    }
    await runner.idle();
    assert.deepEqual([sink.taken, done, runner.written, runner.lost], [[1, 2, 3], [1, 2, 3], 3, 0]);
  });

  it("releases waiting sources once the backlog is discarded, even if the sink hangs", async () => {
    const runner = new SinkRunner<number>(
      "s",
      manual(),
      () => {},
      () => {},
    );
    for (let i = 0; i < 1100; i++) runner.push(i);
    const waiting = runner.backlog ?? assert.fail("it holds nobody back");
    runner.abandon();
    await waiting;
    assert.equal(runner.lost, 1099);
  });

  it("pauses sources above 1024 waiting items, until fewer than half of them are left", async () => {
    const sink = manual();
    const runner = new SinkRunner<number>(
      "s",
      sink,
      () => {},
      () => {},
    );
    const backlog = () => runner.backlog;
    for (let i = 0; i < 1024; i++) runner.push(i);
    assert.equal(backlog(), undefined); // 1023 wait, one is being written
    runner.push(1024);
    let eased = false;
    void (backlog() ?? assert.fail("it holds nobody back")).then(() => {
      eased = true;
    });
    for (let n = 0; n < 513; n++) {
      sink.ends[n]?.resolve();
      await settle();
    }
    assert.equal(eased, false);
    sink.ends[513]?.resolve();
    await settle();
    assert.equal(eased, true);
  });

  it("tells the sink to close as incomplete after a failure, or if the run was cut short", async () => {
    for (const [fails, whole, wanted] of [
      [false, true, true],
      [true, true, false],
      [false, false, false],
    ]) {
      let closed: boolean | undefined;
      const write = () => {
        if (fails) throw new Error("broken");
      };
      const close = (complete?: boolean) => {
        closed = complete;
      };
      const runner = new SinkRunner<number>(
        "s",
        { write, close },
        () => {},
        () => {},
      );
      runner.push(1);
      await runner.close(whole);
      assert.equal(closed, wanted);
    }
  });

  it("accepts nothing after a failure, counts what is lost, returns every lease, and reports it once", async () => {
    const sink = manual();
    const done: number[] = [];
    const failures: SinkError[] = [];
    const runner = new SinkRunner<number>(
      "s",
      sink,
      (item) => done.push(item),
      (error) => failures.push(error),
    );
    for (const item of [1, 2, 3]) runner.push(item);
    sink.ends[0]?.resolve();
    await settle();
    sink.ends[1]?.reject(new Error("broken"));
    await runner.idle();
    runner.push(4);
    assert.deepEqual([runner.written, runner.lost], [1, 3]);
    assert.deepEqual(done.sort(), [1, 2, 3, 4]);
    assert.equal(failures.length, 1);
    assert.match(failures[0]?.message ?? "", /^s: broken$/);
    assert.ok(failures[0] instanceof SinkError);
  });

  it("reports a failure to close as an error of the run", async () => {
    const failures: SinkError[] = [];
    const close = () => {
      throw new Error("cannot flush");
    };
    const runner = new SinkRunner<number>(
      "s",
      { write: () => {}, close },
      () => {},
      (error) => failures.push(error),
    );
    await runner.close();
    assert.match(failures[0]?.message ?? "", /cannot flush/);
  });
});

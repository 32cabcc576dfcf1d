import assert from "node:assert/strict";
import { mock } from "node:test";
import { TrainingView } from "#src/cli/training-view.js";

describe("the figures of a training run", () => {
  afterEach(() => mock.restoreAll());

  it("are a line per minute where there is no terminal to draw a bar on", () => {
    const { isTTY } = process.stderr;
    let now = 0;
    mock.method(performance, "now", () => now);
    const { mock: written } = mock.method(process.stderr, "write", () => true);
    process.stderr.isTTY = false;
    try {
      const view = new TrainingView(
        true,
        Object.assign(() => assert.fail("drew a bar"), { clear: () => {} }),
      );
      view.heading = "epochs=4";
      for (let batch = 1; batch <= 130; batch++) {
        now += 1000;
        view.step({ ...REPORT, batch });
      }
    } finally {
      process.stderr.isTTY = isTTY;
    }
    assert.deepEqual(
      written.calls.map(({ arguments: [text] }) => text),
      [
        "epochs=4  epoch 2/4  30 %  loss 1.250  accuracy 54.3 %  151 pictures/s\n",
        "epochs=4  epoch 2/4  60 %  loss 1.250  accuracy 54.3 %  151 pictures/s\n",
      ],
    );
  });
});

const REPORT = { epoch: 2, epochs: 4, batches: 200, loss: 1.25, accuracy: 0.543, imagesPerSecond: 150.6 };

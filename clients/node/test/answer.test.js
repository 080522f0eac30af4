import assert from "node:assert/strict";
import { test } from "node:test";

import { answer } from "../answer.js";

const decision = { model: "coder", fallbackModels: ["large", "medium"] };

/** @param {string[]} broken */
function models(...broken) {
  /** @type {string[]} */
  const called = [];
  /** @param {string} model */
  const callModel = async (model) => {
    called.push(model);
    if (broken.includes(model)) throw new Error(`${model} is down`);
    return `${model} says hello`;
  };
  return { called, callModel };
}

test("the decided model answers and no other is called", async () => {
  const { called, callModel } = models();
  assert.deepEqual(await answer(decision, callModel), { model: "coder", reply: "coder says hello", failures: [] });
  assert.deepEqual(called, ["coder"]);
});

test("the next models are tried in order, and the result tells which one answered", async () => {
  const { called, callModel } = models("coder", "large");
  const { model, reply, failures } = await answer(decision, callModel);
  assert.deepEqual([model, reply], ["medium", "medium says hello"]);
  assert.deepEqual(called, ["coder", "large", "medium"]);
  assert.deepEqual(failures, [
    { model: "coder", error: new Error("coder is down") },
    { model: "large", error: new Error("large is down") },
  ]);
});

test("a function that throws before it returns a promise counts as a failure too", async () => {
  const { model } = await answer(decision, (name) => {
    if (name === "coder") throw new Error("no key");
    return name;
  });
  assert.equal(model, "large");
});

test("an empty reply is a reply", async () => {
  assert.deepEqual(await answer(decision, () => ""), { model: "coder", reply: "", failures: [] });
});

test("when no model answers, the error holds every failure", async () => {
  const { callModel } = models("coder", "large", "medium");
  await assert.rejects(answer(decision, callModel), (error) => {
    assert.ok(error instanceof AggregateError);
    assert.equal(error.message, "no model answered; tried coder, large, medium");
    assert.deepEqual(error.errors.map(({ message }) => message), ["coder is down", "large is down", "medium is down"]);
    return true;
  });
});

test("once aborted, no further model is called", async () => {
  const controller = new AbortController();
  const { called, callModel } = models("coder");
  const calling = answer(
    decision,
    (model) => {
      controller.abort(new Error("the user left"));
      return callModel(model);
    },
    { signal: controller.signal },
  );
  await assert.rejects(calling, { message: "the user left" });
  assert.deepEqual(called, ["coder"]);
});

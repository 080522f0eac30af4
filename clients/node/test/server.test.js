import assert from "node:assert/strict";
import { createServer } from "node:http2";
import { after, before, describe, test } from "node:test";

import { Fingerpost } from "../fingerpost.js";

const target = process.env.FINGERPOST_TARGET;
const skip = target ? false : "set FINGERPOST_TARGET=HOST:PORT to a server of the starter routes";
const TEXT = "fix the indentation error in my python script";

describe("a server of the starter routes", { skip }, () => {
  /** @type {Fingerpost} */
  let client;
  before(() => {
    client = new Fingerpost(target);
  });
  after(() => client.close());

  test("a text is routed, with plain names and numbers", async () => {
    const decision = await client.route(TEXT, { requestId: "abc", alternativesCount: 2 });
    assert.deepEqual([decision.outcome, decision.route, decision.model], ["MATCHED", "code", "coder"]);
    assert.deepEqual(decision.fallbackModels, ["large", "medium"]);
    assert.ok(decision.confidence !== undefined && decision.confidence >= decision.threshold);
    assert.deepEqual([decision.calibration, decision.requestId, decision.catalog], ["FITTED", "abc", "default"]);
    assert.equal(decision.alternatives.length, 2);
    assert.equal(typeof decision.timing.totalUs, "number");
    assert.equal(decision.embedding, undefined);
  });

  test("an unroutable text falls back and says why", async () => {
    const decision = await client.route("qwrtz plmk vvvv");
    assert.deepEqual([decision.outcome, decision.route, decision.model], ["FALLBACK", "", "large"]);
    assert.ok(decision.reasons.some((reason) => ["LOW_CONFIDENCE", "OUT_OF_SCOPE"].includes(reason)), decision.reasons.join());
  });

  test("the last user turn of a conversation decides", async () => {
    const { route, confidence } = await client.route([
      { role: "system", text: "be brief" },
      { role: "user", text: "hello" },
      { role: "assistant", text: "hi" },
      { role: "user", text: TEXT },
    ]);
    assert.deepEqual([route, confidence], ["code", (await client.route(TEXT)).confidence]);
  });

  test("a follow-up is read with the turn before, and parts that are no text are named", async () => {
    const { decision, embeddedText } = await client.explain([
      { role: "user", parts: [{ text: TEXT }, { other: "image" }] },
      { role: "user", text: "and then?" },
    ]);
    assert.equal(embeddedText, `${TEXT}\nand then?`);
    assert.deepEqual([decision.joinedTurns, decision.ignoredParts], [true, ["image"]]);
  });

  test("a vector that came back can be routed again", async () => {
    const { embedding, route } = await client.route(TEXT, { includeEmbedding: true });
    assert.ok(embedding);
    const { decision, tokenCount } = await client.explain(embedding);
    assert.deepEqual([decision.route, tokenCount], [route, 0]);
  });

  test("explain tells how", async () => {
    const { decision, summary, tokenCount, features } = await client.explain(TEXT);
    assert.equal(decision.route, "code");
    assert.ok(decision.matches.length > 0);
    assert.match(summary, /code/);
    assert.ok(tokenCount > 0);
    assert.equal(typeof features[0].contribution, "number");
  });

  test("info lists what is served", async () => {
    const info = await client.info({ requestId: "abc" });
    const [catalog] = info.catalogs;
    assert.deepEqual([info.requestId, catalog.name, catalog.calibration], ["abc", "default", "POOLED"]);
    assert.ok(catalog.routes.includes("code"));
    assert.ok(catalog.generation >= 1 && info.limits.textBytes > 0);
    assert.ok(Date.now() - info.startTime.getTime() >= 0 && catalog.loadTime.getFullYear() >= 2024);
  });

  test("a refused request tells its reason and fields", async () => {
    await assert.rejects(client.route(" "), (/** @type {any} */ error) => {
      assert.deepEqual([error.code, error.reason], ["INVALID_ARGUMENT", "PROMPT_EMPTY"]);
      assert.deepEqual(error.fieldViolations.map((/** @type {any} */ v) => v.field), ["text"]);
      assert.ok(error.metadata.request_id);
      return true;
    });
    await assert.rejects(client.route("x", { catalog: "nope" }), { code: "NOT_FOUND", reason: "CATALOG_NOT_FOUND" });
    await assert.rejects(client.route([]), { code: "INVALID_ARGUMENT", reason: "INVALID_FIELD" });
  });
});

describe("without a server", () => {
  test("a call fails after the retries, long before its deadline", async () => {
    const client = new Fingerpost("127.0.0.1:1", { timeoutMs: 10_000 });
    const started = performance.now();
    await assert.rejects(client.route(TEXT), { code: "UNAVAILABLE", reason: undefined });
    assert.ok(performance.now() - started < 5000);
    client.close();
  });

  test("a call that waits for a server ends at its deadline", async () => {
    const client = new Fingerpost("127.0.0.1:1");
    await assert.rejects(client.route(TEXT, { waitForReady: true, timeoutMs: 300 }), { code: "DEADLINE_EXCEEDED" });
    client.close();
  });

  test("a call that is not answered ends at its deadline", async () => {
    const silent = createServer(() => {});
    await new Promise((listening) => silent.listen(0, "127.0.0.1", () => listening(undefined)));
    const { port } = /** @type {import("node:net").AddressInfo} */ (silent.address());
    const client = new Fingerpost(`127.0.0.1:${port}`);
    await assert.rejects(client.route(TEXT, { timeoutMs: 300 }), { code: "DEADLINE_EXCEEDED" });
    client.close();
    silent.close();
  });

  test("wrong arguments are refused before anything is sent", async () => {
    const client = new Fingerpost();
    // @ts-expect-error: on purpose
    await assert.rejects(client.route(undefined), TypeError);
    await assert.rejects(client.route(TEXT, { timeoutMs: Infinity }), RangeError);
    assert.throws(() => new Fingerpost(undefined, { timeoutMs: 0 }), RangeError);
    client.close();
  });
});

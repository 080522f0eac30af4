import assert from "node:assert/strict";
import { test } from "node:test";

import grpc from "@grpc/grpc-js";

import { FingerpostError, fromServiceError } from "../error.js";

// google.rpc.Status messages as other libraries write them: these bytes were made with Google's own Python classes.
const PROMPT_EMPTY = Buffer.from(
  "CAMSDXdoYXQgaGFwcGVuZWQaWQoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLkVycm9ySW5mbxItCgxQUk9NUFRfRU1Q" +
    "VFkSCmZpbmdlcnBvc3QaEQoKcmVxdWVzdF9pZBIDYWJjGk0KKXR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5CYWRSZXF1" +
    "ZXN0EiAKHgoEdGV4dBIWaG9sZHMgbm90aGluZyByZWFkYWJsZQ==",
  "base64",
);
const OVERLOADED = Buffer.from(
  "CAgSDXdoYXQgaGFwcGVuZWQaRAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLkVycm9ySW5mbxIYCgpPVkVSTE9BREVE" +
    "EgpmaW5nZXJwb3N0GjUKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SCQoHCAEQgOWadw==",
  "base64",
);

/** @param {number} code @param {Buffer} [details] */
function failed(code, details) {
  const metadata = new grpc.Metadata();
  if (details) metadata.set("grpc-status-details-bin", details);
  return Object.assign(new Error(`${code} NAME: what happened`), { code, details: "what happened", metadata });
}

test("reason, metadata and fields are read from the trailer", () => {
  const cause = failed(grpc.status.INVALID_ARGUMENT, PROMPT_EMPTY);
  const error = fromServiceError(cause);
  assert.ok(error instanceof FingerpostError);
  assert.equal(error.name, "FingerpostError");
  assert.equal(error.message, "what happened");
  assert.equal(error.code, "INVALID_ARGUMENT");
  assert.equal(error.reason, "PROMPT_EMPTY");
  assert.deepEqual(error.metadata, { request_id: "abc" });
  assert.deepEqual(error.fieldViolations, [{ field: "text", description: "holds nothing readable" }]);
  assert.equal(error.retryAfterMs, undefined);
  assert.equal(error.cause, cause);
});

test("the time to wait is in milliseconds", () => {
  const error = fromServiceError(failed(grpc.status.RESOURCE_EXHAUSTED, OVERLOADED));
  assert.deepEqual([error.code, error.reason, error.retryAfterMs], ["RESOURCE_EXHAUSTED", "OVERLOADED", 1250]);
  assert.deepEqual(error.fieldViolations, []);
});

test("without a trailer, code and message remain", () => {
  const error = fromServiceError(failed(grpc.status.UNAVAILABLE));
  assert.deepEqual([error.code, error.message, error.reason], ["UNAVAILABLE", "what happened", undefined]);
  assert.deepEqual([error.metadata, error.fieldViolations], [{}, []]);
});

test("a trailer that is no google.rpc.Status is passed over", () => {
  for (const bytes of [Buffer.from("not protobuf"), PROMPT_EMPTY.subarray(0, 40), Buffer.alloc(0)]) {
    const error = fromServiceError(failed(grpc.status.INTERNAL, bytes));
    assert.deepEqual([error.code, error.message, error.reason], ["INTERNAL", "what happened", undefined]);
  }
});

import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const types = loadSync(fileURLToPath(new URL("status.proto", import.meta.url)), { defaults: true, longs: Number });

/** @param {string} name @param {Buffer} bytes */
const decode = (name, bytes) => /** @type {any} */ (types[`fingerpost.status.${name}`]).deserialize(bytes);

/** @typedef {{field: string, description: string}} FieldViolation */

/** A call that failed. `message` is one sentence for people. */
export class FingerpostError extends Error {
  name = "FingerpostError";

  /**
   * @param {string} message
   * @param {object} details
   * @param {string} details.code Name of the gRPC status: "INVALID_ARGUMENT".
   * @param {string} [details.reason] Name of the ErrorReason: "PROMPT_EMPTY"; undefined where no server answered.
   * @param {Record<string, string>} [details.metadata] The variables of the message, and the request id.
   * @param {FieldViolation[]} [details.fieldViolations] Which fields of the request are wrong.
   * @param {number} [details.retryAfterMs] When to try again; undefined where the server does not say.
   * @param {unknown} [details.cause] What grpc-js raised.
   */
  constructor(message, { code, reason, metadata = {}, fieldViolations = [], retryAfterMs, cause }) {
    super(message, { cause });
    this.code = code;
    this.reason = reason;
    this.metadata = metadata;
    this.fieldViolations = fieldViolations;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * The error of a failed call, with the server's reason and fields where it gave them.
 *
 * @param {grpc.ServiceError} error
 * @returns {FingerpostError}
 */
export function fromServiceError(error) {
  const code = grpc.status[error.code] ?? "UNKNOWN";
  const details = error.metadata?.get("grpc-status-details-bin")[0];
  return new FingerpostError(error.details || error.message, { ...read(details), code, cause: error });
}

/** @param {unknown} bytes A serialised google.rpc.Status, if the server sent one. */
function read(bytes) {
  if (!Buffer.isBuffer(bytes)) return {};
  try {
    return Object.assign({}, ...decode("Status", bytes).details.map(readDetail));
  } catch {
    return {}; // a proxy's bytes: code and message still tell what happened
  }
}

/** @param {{typeUrl: string, value: Buffer}} detail */
function readDetail({ typeUrl, value }) {
  switch (typeUrl.slice(typeUrl.lastIndexOf("/") + 1)) {
    case "google.rpc.ErrorInfo": {
      const { reason, metadata } = decode("ErrorInfo", value);
      return { reason, metadata };
    }
    case "google.rpc.BadRequest":
      return { fieldViolations: decode("BadRequest", value).fieldViolations };
    case "google.rpc.RetryInfo": {
      const { seconds, nanos } = decode("RetryInfo", value).retryDelay ?? { seconds: 0, nanos: 0 };
      return { retryAfterMs: seconds * 1000 + nanos / 1e6 };
    }
    default:
      return {};
  }
}

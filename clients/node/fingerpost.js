/**
 * A thin client: typed calls with a deadline on each and the standard retries.
 *
 * It loads the proto files as they are, so there is nothing to generate. Names are those of `router_service.proto` and
 * `outcome_service.proto` in camelCase, enums are strings without their prefix ("MATCHED"), and what a reply leaves out
 * is undefined.
 */
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

import { FingerpostError, fromServiceError } from "./error.js";

export { FingerpostError };

/** Where a server listens unless told otherwise. */
export const DEFAULT_TARGET = "127.0.0.1:50051";

/**
 * The standard service config: calls take turns at the addresses of the target, and all are safe to repeat; a stopping
 * server may answer CANCELLED.
 */
export const SERVICE_CONFIG = JSON.stringify({
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: "fingerpost.v1.RouterService" }, { service: "fingerpost.v1.OutcomeService" }],
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: "0.05s",
        maxBackoff: "0.5s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE", "CANCELLED"],
      },
    },
  ],
});

const { RouterService, OutcomeService } = /** @type {any} */ (
  grpc.loadPackageDefinition(
    loadSync(["fingerpost/v1/router_service.proto", "fingerpost/v1/outcome_service.proto"], {
      includeDirs: [fileURLToPath(new URL("../../proto", import.meta.url))],
      defaults: true,
      enums: String,
      longs: Number,
    }),
  )
).fingerpost.v1;

/**
 * @typedef {{text: string} | {other: string}} Part A text, or the kind of something else: "image", "audio", ...
 * @typedef {{role: "user" | "assistant" | "system" | "tool", text?: string, parts?: Part[]}} Turn Text or parts.
 * @typedef {{encoderDigest: string, values: number[]}} Embedding
 * @typedef {string | Turn[] | Embedding} Input A text, a conversation (oldest turn first), or a vector.
 *
 * @typedef {object} CallOptions
 * @property {number} [timeoutMs] Deadline of this call instead of the client's.
 * @property {boolean} [waitForReady] While no server can be reached, wait for one until the deadline instead of failing
 *   at once.
 * @property {string} [requestId] Your id for the call, echoed in the reply.
 *
 * @typedef {object} RequestOptions
 * @property {string} [catalog] Which set of routes; "default" unless given.
 * @property {Record<string, string>} [metadata] Facts about the request.
 * @property {string} [tenant] Who asks.
 * @property {string} [sessionId] Which dialogue this belongs to.
 * @property {number} [alternativesCount] How many alternatives to list, 0 to 20.
 * @property {boolean} [includeMatches] List the nearest utterances.
 * @property {boolean} [includeEmbedding] Return the vector.
 *
 * @typedef {CallOptions & RequestOptions} RouteOptions
 *
 * @typedef {object} Decision
 * @property {string} decisionId
 * @property {string} requestId
 * @property {string} outcome "MATCHED", "RULE", "FALLBACK" or "LEARNED".
 * @property {string} route Empty on fallback.
 * @property {string} model The model that should answer; always set.
 * @property {string} upstreamModel The provider's id of `model`.
 * @property {string[]} fallbackModels What to try next, in this order, when `model` fails.
 * @property {number} [confidence] Calibrated probability that the route is right; undefined when it is not calibrated.
 * @property {number} threshold The confidence under which the fallback is used.
 * @property {number} [margin]
 * @property {number} [similarity]
 * @property {string} calibration "NONE", "PRIOR", "POOLED" or "FITTED".
 * @property {string[]} reasons "LOW_CONFIDENCE", "OUT_OF_SCOPE", ...; most important first.
 * @property {{route: string, model: string, confidence?: number, score: number, similarity: number}[]} alternatives
 * @property {{text: string, route: string, similarity: number}[]} matches
 * @property {Embedding} [embedding]
 * @property {string} catalog
 * @property {string} revision
 * @property {boolean} cached
 * @property {boolean} truncated
 * @property {boolean} degraded
 * @property {string[]} ignoredParts Kinds of the parts of user turns that are no text.
 * @property {boolean} joinedTurns The previous user turn was read too.
 * @property {{queueUs: number, embedUs: number, searchUs: number, decideUs: number, totalUs: number}} timing
 *
 * @typedef {object} Report What came of a decision.
 * @property {string} decisionId
 * @property {string} model The model that answered or failed.
 * @property {string} status "OK", "RATE_LIMITED", "SERVER_ERROR", "TIMEOUT", "UNREACHABLE", "MISCONFIGURED",
 *   "INVALID_REQUEST", "CONTENT_FILTERED" or "CANCELLED".
 * @property {number} [inputTokens]
 * @property {number} [outputTokens]
 * @property {number} [costUsdMicros]
 * @property {number} [latencyMs]
 * @property {string} [verdict] "GOOD_FIT", "UNDERPOWERED", "OVERPROVISIONED" or "FAILED".
 * @property {number} [score] How good the answer was, 0 to 1.
 * @property {string} [label] The route that would have been right.
 * @property {number} [retryAfterMs] What the provider asked for; with RATE_LIMITED alone.
 *
 * @typedef {object} Reported
 * @property {boolean} repeated The decision was reported already, and that report stands.
 * @property {Report} kept The report that stands.
 * @property {number} costUsdMicros What the decision counts for in budgets.
 * @property {string} costSource "REPORTED", "TOKENS" or "RESERVED".
 * @property {string} requestId
 *
 * @typedef {object} Explanation
 * @property {Decision} decision
 * @property {string} summary One paragraph for people.
 * @property {string} embeddedText
 * @property {number} tokenCount
 * @property {string} scorer
 * @property {{name: string, value: number, contribution: number}[]} features
 * @property {string} requestId
 *
 * @typedef {object} ServerInfo
 * @property {string} version
 * @property {CatalogInfo[]} catalogs
 * @property {Record<string, number>} limits
 * @property {Date} startTime
 * @property {string} requestId
 *
 * @typedef {object} CatalogInfo
 * @property {string} name
 * @property {string} revision
 * @property {number} generation
 * @property {Date} loadTime
 * @property {{digest: string, name: string, dimensions: number, maxTokens: number, precision: string}} encoder
 * @property {string[]} routes
 * @property {number} exemplarsCount
 * @property {number} threshold
 * @property {string} calibration
 * @property {number} refusedReloadsCount
 */

/** Calls a server. Make one, share it, and `close` it at the end; it connects at the first call. */
export class Fingerpost {
  #stub;
  #outcomes;
  #timeoutMs;

  /**
   * @param {string} [target] HOST:PORT or any gRPC target.
   * @param {object} [options]
   * @param {number} [options.timeoutMs] Deadline of a call that gives none.
   * @param {grpc.ChannelCredentials} [options.credentials] For TLS; plain text without.
   */
  constructor(
    target = DEFAULT_TARGET,
    { timeoutMs = 2000, credentials = grpc.credentials.createInsecure() } = {},
  ) {
    this.#timeoutMs = positive(timeoutMs);
    this.#stub = new RouterService(target, credentials, { "grpc.service_config": SERVICE_CONFIG });
    this.#outcomes = new OutcomeService(target, credentials, { channelOverride: this.#stub.getChannel() });
  }

  /**
   * Decide one request.
   *
   * @param {Input} input
   * @param {RouteOptions} [options]
   * @returns {Promise<Decision>}
   * @throws {FingerpostError}
   */
  async route(input, options = {}) {
    return toDecision(await this.#call(this.#stub, "route", toRequest(input, options), options));
  }

  /**
   * Report what came of a decision; safe to repeat until it is acknowledged, and durable from then on.
   *
   * @param {Report} report
   * @param {CallOptions & {tenant?: string}} [options] The tenant is the one that the decision was made for.
   * @returns {Promise<Reported>}
   * @throws {FingerpostError}
   */
  async report(report, options = {}) {
    const { tenant, requestId } = options;
    const request = { report: toReport(report), tenant, requestId };
    return toReported(await this.#call(this.#outcomes, "reportOutcome", request, options));
  }

  /**
   * Decide one request and tell how.
   *
   * @param {Input} input
   * @param {RouteOptions} [options]
   * @returns {Promise<Explanation>}
   * @throws {FingerpostError}
   */
  async explain(input, options = {}) {
    const reply = await this.#call(this.#stub, "explain", { request: toRequest(input, options) }, options);
    return { ...reply, decision: toDecision(reply.decision) };
  }

  /**
   * What the server serves.
   *
   * @param {CallOptions} [options]
   * @returns {Promise<ServerInfo>}
   * @throws {FingerpostError}
   */
  async info(options = {}) {
    const reply = await this.#call(this.#stub, "getServerInfo", { requestId: options.requestId }, options);
    return { ...reply, startTime: toDate(reply.startTime), catalogs: reply.catalogs.map(toCatalog) };
  }

  close() {
    this.#stub.close();
  }

  /**
   * @param {any} stub
   * @param {string} method
   * @param {object} request
   * @param {CallOptions} options
   * @returns {Promise<any>}
   */
  #call(stub, method, request, { timeoutMs = this.#timeoutMs, waitForReady = false }) {
    const deadline = Date.now() + positive(timeoutMs);
    return new Promise((resolve, reject) => {
      stub[method](
        request,
        new grpc.Metadata({ waitForReady }),
        { deadline },
        (/** @type {grpc.ServiceError | null} */ error, /** @type {any} */ reply) =>
          error ? reject(fromServiceError(error)) : resolve(reply),
      );
    });
  }
}

/** @param {number} timeoutMs */
function positive(timeoutMs) {
  if (Number.isFinite(timeoutMs) && timeoutMs > 0) return timeoutMs;
  throw new RangeError(`timeoutMs is ${timeoutMs}: give milliseconds above 0`);
}

/** @param {Input} input @param {RouteOptions} options */
function toRequest(input, { timeoutMs, waitForReady, ...request }) {
  if (typeof input === "string") return { ...request, text: input };
  if (Array.isArray(input)) return { ...request, conversation: { turns: input.map(toTurn) } };
  if (input?.values) return { ...request, embedding: input };
  throw new TypeError("nothing to route: give a text, an array of turns, or {encoderDigest, values}");
}

/** @param {Turn} turn */
const toTurn = ({ role, text, parts }) => ({ role: `ROLE_${role.toUpperCase()}`, text, parts });

/** @param {any} reply @returns {Decision} */
const toDecision = (reply) => ({
  ...reply,
  outcome: bare("OUTCOME_", reply.outcome),
  calibration: bare("CALIBRATION_", reply.calibration),
  reasons: reply.reasons.map((/** @type {string} */ reason) => bare("REASON_", reason)),
  embedding: reply.embedding ?? undefined,
});

/** @param {Report} report */
const toReport = ({ status, verdict, ...report }) => ({
  ...report,
  status: `CALL_STATUS_${status.toUpperCase()}`,
  verdict: verdict && `VERDICT_${verdict.toUpperCase()}`,
});

/** @param {any} reply @returns {Reported} */
const toReported = ({ kept: { status, verdict, ...kept }, ...reply }) => ({
  ...reply,
  costSource: bare("COST_SOURCE_", reply.costSource),
  kept: {
    ...kept,
    status: bare("CALL_STATUS_", status),
    verdict: verdict === "VERDICT_UNSPECIFIED" ? undefined : bare("VERDICT_", verdict),
  },
});

/** @param {any} catalog @returns {CatalogInfo} */
const toCatalog = (catalog) => ({
  ...catalog,
  calibration: bare("CALIBRATION_", catalog.calibration),
  loadTime: toDate(catalog.loadTime),
});

/** @param {{seconds: number, nanos: number}} time */
const toDate = ({ seconds, nanos }) => new Date(seconds * 1000 + nanos / 1e6);

/**
 * An enum's name without its prefix; the bare number where a newer server says what these proto files lack.
 *
 * @param {string} prefix
 * @param {string | number} value
 */
const bare = (prefix, value) => String(value).replace(prefix, "");

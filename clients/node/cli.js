#!/usr/bin/env node
// Asks a running server which model should answer: node cli.js "text" [--target HOST:PORT]
import { parseArgs } from "node:util";

import { DEFAULT_TARGET, Fingerpost, FingerpostError } from "./fingerpost.js";

const USAGE = 'usage: node cli.js "text" [--target HOST:PORT]';

try {
  const { text, target } = parse();
  const client = new Fingerpost(target);
  try {
    console.log(describe(await client.route(text)));
  } finally {
    client.close();
  }
} catch (error) {
  console.error(oneLine(error));
  process.exitCode = 1;
}

function parse() {
  const { values, positionals } = parseArgs({ options: { target: { type: "string" } }, allowPositionals: true });
  if (positionals.length !== 1) throw new Error(USAGE);
  return { text: positionals[0], target: values.target ?? DEFAULT_TARGET };
}

/** @param {import("./fingerpost.js").Decision} decision */
function describe({ route, model, fallbackModels, confidence, threshold, reasons }) {
  const sure = confidence === undefined ? "not calibrated" : confidence.toFixed(3);
  return [
    `route       ${route || "none: no route is sure enough"}`,
    `model       ${[model, ...fallbackModels].join(", then ")}`,
    `confidence  ${sure} (threshold ${threshold.toFixed(3)})`,
    `reasons     ${reasons.join(", ") || "none"}`,
  ].join("\n");
}

/** @param {unknown} error */
function oneLine(error) {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof FingerpostError ? [error.code, error.reason].filter(Boolean).join(" ") : "error";
  return `${code}: ${text}`.replaceAll(/\s+/g, " ");
}

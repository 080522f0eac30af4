/**
 * Lets the decided model answer, and the next one where it fails.
 *
 * @template Reply
 * @param {Pick<import("./fingerpost.js").Decision, "model" | "fallbackModels">} decision
 * @param {(model: string) => Promise<Reply> | Reply} callModel Asks one model; throws when it cannot answer.
 * @param {{signal?: AbortSignal}} [options] Once aborted, no further model is tried.
 * @returns {Promise<{model: string, reply: Reply, failures: {model: string, error: unknown}[]}>} Which model answered,
 *   what it said, and which ones failed before it.
 * @throws {AggregateError} When no model answered; its `errors` are theirs, in order.
 */
export async function answer({ model: first, fallbackModels }, callModel, { signal } = {}) {
  const models = [first, ...fallbackModels];
  const failures = [];
  for (const model of models) {
    signal?.throwIfAborted();
    try {
      return { model, reply: await callModel(model), failures };
    } catch (error) {
      failures.push({ model, error });
    }
  }
  signal?.throwIfAborted();
  throw new AggregateError(
    failures.map(({ error }) => error),
    `no model answered; tried ${models.join(", ")}`,
  );
}

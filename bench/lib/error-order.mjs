/**
 * Which of several methods is expected to be the better, and where it isn't.
 * @module
 */

/**
 * From the best on. ALPS starts with ADMM's kind of steps and fits the survivors exactly; both may move every weight at any
 * time, SparseGPT only those to the right of the column at work; least squares keeps Wanda's mask.
 */
export const EXPECTED_ORDER = ['alps', 'admm', 'sparsegpt', 'wanda+least_squares', 'wanda'];

/**
 * @typedef {object} LinearErrors
 * @property {number} block
 * @property {string} name within the block
 * @property {string} pattern
 * @property {Record<string, number>} errors relative output error, by method
 *
 * @typedef {object} Violation
 * @property {number} block
 * @property {string} name
 * @property {string} pattern
 * @property {string} better the method that was expected to be
 * @property {string} worse
 * @property {number} excess by what part of the error of `worse` that of `better` lies above it
 */

/** Neighbours of the expected order among these methods, the better first. @param {readonly string[]} methods */
export function expectedPairs(methods) {
  const ordered = EXPECTED_ORDER.filter((method) => methods.includes(method));
  return ordered.slice(1).map((worse, at) => [ordered[at], worse]);
}

/** Where the better method of a pair has the larger error. @param {LinearErrors} linear @returns {Violation[]} */
export function violationsOf({ block, name, pattern, errors }) {
  return expectedPairs(Object.keys(errors)).flatMap(([better, worse]) =>
    errors[better] > errors[worse]
      ? [{ block, name, pattern, better, worse, excess: errors[better] / errors[worse] - 1 }]
      : [],
  );
}

/**
 * Of the linears of one pattern: mean errors, the share of linears that keep the whole order and each pair of it, and how
 * Thanos stands to SparseGPT where both are there.
 *
 * @param {readonly LinearErrors[]} linears at least one, all with the same methods
 */
export function summarise(linears) {
  const methods = Object.keys(linears[0].errors);
  const share = (holds) => linears.filter(holds).length / linears.length;
  const mean = (figure) => linears.reduce((sum, linear) => sum + figure(linear), 0) / linears.length;
  const beside = methods.includes('thanos') && methods.includes('sparsegpt');
  return {
    linears: linears.length,
    means: Object.fromEntries(methods.map((method) => [method, mean(({ errors }) => errors[method])])),
    ordered: share((linear) => violationsOf(linear).length === 0),
    pairs: expectedPairs(methods).map(([better, worse]) => ({
      better,
      worse,
      ordered: share(({ errors }) => errors[better] <= errors[worse]),
    })),
    thanosBesideSparsegpt: beside
      ? {
          /** Geometric mean of error ÷ error. */
          ratio: Math.exp(mean(({ errors }) => Math.log(errors.thanos / errors.sparsegpt))),
          lower: share(({ errors }) => errors.thanos < errors.sparsegpt),
        }
      : null,
  };
}

/**
 * How much of the evaluation text was seen in calibration.
 * @module
 */

/** Tokens of an n-gram unless told otherwise: the 13 of GPT-3's analysis of contamination (Brown et al. 2020, app. C). */
export const overlapLength = 13;

/** A hash of `length` tokens from `start` (FNV-1a over whole tokens, finished by a mixing step). */
function hashAt(tokens: Int32Array, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ (tokens[i] as number), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

function equalAt(a: Int32Array, i: number, b: Int32Array, j: number, length: number): boolean {
  for (let k = 0; k < length; k++) if (a[i + k] !== b[j + k]) return false;
  return true;
}

/**
 * The fraction of the evaluation's n-grams (one at every position) that occur anywhere in the calibration tokens, from
 * 0 to 1; 0 when the evaluation is shorter than `n`. Exact: hashes only find candidates.
 */
export function textOverlap(
  calibration: Int32Array,
  evaluation: Int32Array,
  n: number = overlapLength,
): number {
  const grams = evaluation.length - n + 1;
  const known = calibration.length - n + 1;
  if (grams <= 0 || known <= 0) return 0;

  // Open addressing over first positions + 1, at most half full.
  const size = 2 ** Math.ceil(Math.log2(2 * known + 1));
  const slots = new Int32Array(size);
  const find = (tokens: Int32Array, at: number): number => {
    let slot = hashAt(tokens, at, n) & (size - 1);
    for (let entry = slots[slot]; entry; entry = slots[slot]) {
      if (equalAt(tokens, at, calibration, entry - 1, n)) return slot;
      slot = (slot + 1) & (size - 1);
    }
    return slot;
  };
  for (let at = 0; at < known; at++) {
    const slot = find(calibration, at);
    if (slots[slot] === 0) slots[slot] = at + 1;
  }
  let seen = 0;
  for (let at = 0; at < grams; at++) if (slots[find(evaluation, at)] !== 0) seen++;
  return seen / grams;
}

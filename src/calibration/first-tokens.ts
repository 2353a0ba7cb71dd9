/**
 * The beginnings of calibration windows.
 * @module
 */
import type { CalibrationSet } from './load-calibration.js';

/** @returns the first `tokens` of each of the first `windows` windows, [windows · tokens] */
export function firstTokens(
  { tokens, sequenceLength }: CalibrationSet,
  wanted: { readonly windows: number; readonly tokens: number },
): Int32Array {
  const first = new Int32Array(wanted.windows * wanted.tokens);
  for (let window = 0; window < wanted.windows; window++) {
    const start = window * sequenceLength;
    first.set(tokens.subarray(start, start + wanted.tokens), window * wanted.tokens);
  }
  return first;
}

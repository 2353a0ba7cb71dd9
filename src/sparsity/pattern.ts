/**
 * Which masks are allowed.
 * @module
 */
import { RequestError } from '../errors.js';

/** A layer's goal. */
export type Pattern =
  | { readonly kind: 'unstructured'; readonly sparsity: number }
  /** Keep `keep` of every `of` consecutive inputs. */
  | { readonly kind: 'n:m'; readonly keep: number; readonly of: number };

/** @throws RequestError unless the text is N:M with 1 ≤ N < M */
export function parsePattern(text: string): Pattern {
  const [, keep, of] = /^(\d{1,5}):(\d{1,5})$/.exec(text) ?? [];
  if (keep === undefined || of === undefined || Number(keep) < 1 || Number(keep) >= Number(of)) {
    throw new RequestError(
      `pattern ${text} is not N:M with 1 ≤ N < M (2:4 keeps 2 of every 4 consecutive inputs)`,
    );
  }
  return { kind: 'n:m', keep: Number(keep), of: Number(of) };
}

/** `2:4`, or `unstructured`. */
export function patternName(pattern: Pattern): string {
  return pattern.kind === 'n:m' ? `${pattern.keep}:${pattern.of}` : 'unstructured';
}

/** The fraction of weights that the pattern sets to zero. */
export function patternSparsity(pattern: Pattern): number {
  return pattern.kind === 'n:m' ? (pattern.of - pattern.keep) / pattern.of : pattern.sparsity;
}

/**
 * ⌊count · sparsity⌋ for the fraction that was meant: the most zeros whose share of `count`, as a double, isn't
 * above `sparsity`. So 0.29 of 100 is 29, although 100 · 0.29 in floating point is below it, and 2/3 of 9 is 6.
 * Exact for a decimal fraction as long as its digits and those of `count` are 15 or fewer together.
 */
export function zeroCount(count: number, sparsity: number): number {
  let zeros = Math.floor(count * sparsity);
  while (zeros < count && (zeros + 1) / count <= sparsity) zeros++;
  while (zeros > 0 && zeros / count > sparsity) zeros--;
  return zeros;
}

/** Zeros in a matrix whose mask is chosen over all of it. */
export function maskZeros(pattern: Pattern, rows: number, columns: number): number {
  return pattern.kind === 'n:m'
    ? (rows * columns * (pattern.of - pattern.keep)) / pattern.of
    : zeroCount(rows * columns, pattern.sparsity);
}

/** @throws RequestError naming the linear when M doesn't divide its input size */
export function checkPattern(pattern: Pattern, name: string, inputs: number): void {
  if (pattern.kind === 'n:m' && inputs % pattern.of !== 0) {
    throw new RequestError(
      `${name}: pattern ${patternName(pattern)} needs an input size that ${pattern.of} divides, and it has ${inputs}`,
    );
  }
}

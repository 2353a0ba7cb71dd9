/**
 * How a symmetric [n, n] matrix lies in memory: the lower half, in column strips.
 *
 * Strip s holds rows first … n−1 of the columns first … first+width−1, row-major, one strip after another.
 * A strip is thus the product of two contiguous slabs of Xᵀ, adds up in a fixed order whoever computes it,
 * and is a panel of a blocked Cholesky.
 * @module
 */

export interface Strip {
  /** First column, and first row. */
  readonly first: number;
  /** Columns. */
  readonly width: number;
  /** n − first */
  readonly rows: number;
  /** Elements before the strip. */
  readonly offset: number;
}

/** Strips whose columns start at the given places (ascending, the first is 0). */
export function stripsAt(n: number, starts: readonly number[]): Strip[] {
  let offset = 0;
  return starts.map((first, index) => {
    const width = (starts[index + 1] ?? n) - first;
    const strip = { first, width, rows: n - first, offset };
    offset += strip.rows * width;
    return strip;
  });
}

/** Columns of a Gram strip: wide enough for GEMM at full speed, narrow enough to waste little above the diagonal. */
export const GRAM_STRIP_WIDTH = 96;

/** The strips of a Gram matrix over n features. */
export function gramStrips(n: number): Strip[] {
  const count = Math.ceil(n / GRAM_STRIP_WIDTH);
  return stripsAt(
    n,
    Array.from({ length: count }, (_, index) => index * GRAM_STRIP_WIDTH),
  );
}

/** f32 elements that strips take together. */
export function stripElements(strips: readonly Strip[]): number {
  return strips.reduce((sum, { rows, width }) => sum + rows * width, 0);
}

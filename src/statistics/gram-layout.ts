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

/** Features from which on a slab of Xᵀ is too large for a core's caches. */
const MANY_FEATURES = 1024;

/**
 * Columns of a Gram strip over n features. Narrow strips compute less above the diagonal, but read the slab of Xᵀ more
 * often, which costs more than it saves where the slab doesn't stay in the caches.
 */
export function gramStripWidth(n: number): number {
  return n < MANY_FEATURES ? 64 : 96;
}

/** The strips of a Gram matrix over n features. */
export function gramStrips(n: number): Strip[] {
  const width = gramStripWidth(n);
  return stripsAt(
    n,
    Array.from({ length: Math.ceil(n / width) }, (_, index) => index * width),
  );
}

/** f32 elements that strips take together. */
export function stripElements(strips: readonly Strip[]): number {
  return strips.reduce((sum, { rows, width }) => sum + rows * width, 0);
}

/**
 * Eigenvalues of symmetric tridiagonal matrices.
 * @module
 */

/** A symmetric tridiagonal matrix [n, n]. */
export interface Tridiagonal {
  /** [n] */
  readonly diagonal: Float64Array;
  /** [n]: element i lies beside diagonal i−1 and i, the first is unused. */
  readonly offDiagonal: Float64Array;
}

/** Steps for one eigenvalue; two are the rule. */
const MOST_STEPS = 50;

/**
 * By the implicit QL method with Wilkinson's shifts (Dubrulle, Martin & Wilkinson 1968), in O(n²). Errors are of the order of
 * rounding beside the largest.
 *
 * @param diagonal [n], receives the eigenvalues in no order
 * @param offDiagonal [n], element i beside diagonal i−1 and i, the first unused; destroyed
 */
export function tridiagonalEigenvalues(diagonal: Float64Array, offDiagonal: Float64Array): void {
  const n = diagonal.length;
  const d = diagonal;
  // Element i beside diagonal i and i+1.
  const e = offDiagonal;
  e.copyWithin(0, 1);
  e[n - 1] = 0;
  for (let l = 0; l < n; l++) {
    for (let step = 0; ; step++) {
      const m = firstSplit(d, e, l);
      if (m === l) break;
      if (step === MOST_STEPS) throw new Error(`no eigenvalue after ${MOST_STEPS} steps`);
      qlStep(d, e, l, m);
    }
  }
}

/** The first index from l on behind which the matrix falls apart. */
function firstSplit(d: Float64Array, e: Float64Array, l: number): number {
  const n = d.length;
  for (let m = l; m < n - 1; m++) {
    const size = Math.abs(d[m] as number) + Math.abs(d[m + 1] as number);
    if (Math.abs(e[m] as number) <= Number.EPSILON * size) return m;
  }
  return n - 1;
}

/** One step on the rows l … m. */
function qlStep(d: Float64Array, e: Float64Array, l: number, m: number): void {
  const el = e[l] as number;
  const half = ((d[l + 1] as number) - (d[l] as number)) / (2 * el);
  const root = Math.sqrt(half * half + 1);
  let g = (d[m] as number) - (d[l] as number) + el / (half + (half < 0 ? -root : root));
  let [s, c, p] = [1, 1, 0];
  for (let i = m - 1; i >= l; i--) {
    const ei = e[i] as number;
    const f = s * ei;
    const b = c * ei;
    const r = Math.sqrt(f * f + g * g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1] = (d[i + 1] as number) - p;
      e[m] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    g = (d[i + 1] as number) - p;
    const t = ((d[i] as number) - g) * s + 2 * c * b;
    p = s * t;
    d[i + 1] = g + p;
    g = c * t - b;
  }
  d[l] = (d[l] as number) - p;
  e[l] = g;
  e[m] = 0;
}

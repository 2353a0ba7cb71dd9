/** Matrices inverted by plain loops in f64. @module */

/** The inverse of a symmetric matrix [n, n] by Gauss–Jordan elimination, without pivots. */
export function invert(matrix: Float64Array, n: number): Float64Array {
  const a = Float64Array.from(matrix);
  const b = new Float64Array(n * n);
  for (let i = 0; i < n; i++) b[i * n + i] = 1;
  for (let p = 0; p < n; p++) {
    const pivot = a[p * n + p] as number;
    for (let c = 0; c < n; c++) {
      a[p * n + c] = (a[p * n + c] as number) / pivot;
      b[p * n + c] = (b[p * n + c] as number) / pivot;
    }
    for (let r = 0; r < n; r++) {
      if (r === p) continue;
      const factor = a[r * n + p] as number;
      for (let c = 0; c < n; c++) {
        a[r * n + c] = (a[r * n + c] as number) - factor * (a[p * n + c] as number);
        b[r * n + c] = (b[r * n + c] as number) - factor * (b[p * n + c] as number);
      }
    }
  }
  return b;
}

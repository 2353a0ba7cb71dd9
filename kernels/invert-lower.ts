/** @module */

/**
 * `out = L⁻¹` for a dense lower triangular f32 `[n, n]` (its upper triangle isn't read); the upper triangle of
 * `out` becomes 0. Everything between is f64, in `scratch` (n²·8 bytes). Returns -1, or the first column whose
 * diagonal isn't a finite number above 0; `out` is then as it was.
 */
export function invertLower(l: usize, out: usize, n: usize, scratch: usize): i32 {
  const pitch = n << 3;
  for (let r: usize = 0; r < n; r++) {
    const diagonal = <f64>load<f32>(l + ((r * n + r) << 2));
    if (!(diagonal > 0 && diagonal < Infinity)) return <i32>r;
  }
  for (let r: usize = 0; r < n; r++) {
    const coefficients = l + ((r * n) << 2);
    const row = scratch + r * pitch;
    memory.fill(row, 0, pitch);
    for (let k: usize = 0; k < r; k++) {
      const factors = f64x2.splat(<f64>load<f32>(coefficients + (k << 2)));
      const other = scratch + k * pitch;
      // Row k of the inverse ends at column k; the one column a pair may go beyond it adds 0 (k + 1 < n).
      const end = (k + 2) & ~1;
      for (let c: usize = 0; c < end; c += 2) {
        const p = row + (c << 3);
        v128.store(p, f64x2.sub(v128.load(p), f64x2.mul(factors, v128.load(other + (c << 3)))));
      }
    }
    const inverse = 1 / <f64>load<f32>(coefficients + (r << 2));
    for (let c: usize = 0; c < r; c++) {
      const p = row + (c << 3);
      store<f64>(p, load<f64>(p) * inverse);
    }
    store<f64>(row + (r << 3), inverse);
  }
  for (let i: usize = 0; i < n * n; i++) store<f32>(out + (i << 2), <f32>load<f64>(scratch + (i << 3)));
  return -1;
}

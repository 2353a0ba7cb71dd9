/** @module */

/** `Σ a[k]·b[k]` over `n` f64. */
export function dotF64(a: usize, b: usize, n: usize): f64 {
  let s0 = f64x2.splat(0);
  let s1 = f64x2.splat(0);
  let s2 = f64x2.splat(0);
  let s3 = f64x2.splat(0);
  let i: usize = 0;
  for (; i + 8 <= n; i += 8) {
    const p = a + (i << 3);
    const q = b + (i << 3);
    s0 = f64x2.add(s0, f64x2.mul(v128.load(p), v128.load(q)));
    s1 = f64x2.add(s1, f64x2.mul(v128.load(p, 16), v128.load(q, 16)));
    s2 = f64x2.add(s2, f64x2.mul(v128.load(p, 32), v128.load(q, 32)));
    s3 = f64x2.add(s3, f64x2.mul(v128.load(p, 48), v128.load(q, 48)));
  }
  const s = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
  let sum = f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
  for (; i < n; i++) sum += load<f64>(a + (i << 3)) * load<f64>(b + (i << 3));
  return sum;
}

/**
 * In place, the lower Cholesky factor of the `n × n` f32 block at `a` (rows `stride` elements apart, only its
 * lower triangle read); the upper triangle becomes 0. Everything between is f64, in `scratch` (n²·8 bytes).
 * Returns -1, or the first column whose diagonal isn't a finite f32 above 0; `a` is then as it was.
 */
export function choleskyBlock(a: usize, n: usize, stride: usize, scratch: usize): i32 {
  const pitch = n << 3;
  for (let r: usize = 0; r < n; r++) {
    const source = a + ((r * stride) << 2);
    const row = scratch + r * pitch;
    for (let c: usize = 0; c < r; c++) {
      const other = scratch + c * pitch;
      const sum = <f64>load<f32>(source + (c << 2)) - dotF64(row, other, c);
      store<f64>(row + (c << 3), sum / load<f64>(other + (c << 3)));
    }
    const pivot = <f64>load<f32>(source + (r << 2)) - dotF64(row, row, r);
    const diagonal = sqrt(pivot);
    // As it will be stored: a NaN, and what f32 rounds to 0 or Inf, fails too.
    if (!(<f32>diagonal > 0 && <f32>diagonal < Infinity)) return <i32>r;
    store<f64>(row + (r << 3), diagonal);
  }
  for (let r: usize = 0; r < n; r++) {
    const target = a + ((r * stride) << 2);
    const row = scratch + r * pitch;
    for (let c: usize = 0; c <= r; c++) store<f32>(target + (c << 2), <f32>load<f64>(row + (c << 3)));
    memory.fill(target + ((r + 1) << 2), 0, (n - r - 1) << 2);
  }
  return -1;
}

/** @module */

/** `Σ a[i]·b[i]` over `n` f32, products and sums in f64, in an order that depends on `n` alone. */
export function dot(a: usize, b: usize, n: usize): f64 {
  let s0 = f64x2.splat(0);
  let s1 = f64x2.splat(0);
  let s2 = f64x2.splat(0);
  let s3 = f64x2.splat(0);
  let i: usize = 0;
  for (; i + 8 <= n; i += 8) {
    const p = a + (i << 2);
    const q = b + (i << 2);
    s0 = f64x2.add(s0, f64x2.mul(promote(p), promote(q)));
    s1 = f64x2.add(s1, f64x2.mul(promote(p + 8), promote(q + 8)));
    s2 = f64x2.add(s2, f64x2.mul(promote(p + 16), promote(q + 16)));
    s3 = f64x2.add(s3, f64x2.mul(promote(p + 24), promote(q + 24)));
  }
  const s = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
  let sum = f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
  for (; i < n; i++) sum += <f64>load<f32>(a + (i << 2)) * <f64>load<f32>(b + (i << 2));
  return sum;
}

function promote(p: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(p));
}

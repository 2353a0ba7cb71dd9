/** @module */

/** `out[i] = |weights[i]|`. */
export function absScores(weights: usize, out: usize, n: usize): void {
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(out + (i << 2), f32x4.abs(v128.load(weights + (i << 2))));
  }
  for (; i < n; i++) store<f32>(out + (i << 2), abs(load<f32>(weights + (i << 2))));
}

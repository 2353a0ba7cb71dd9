/** @module */

/** `out[i] = |weights[i] · mean[i] − ½ · (weights[i] · rms[i])²|`. */
export function taylorScores(weights: usize, mean: usize, rms: usize, out: usize, n: usize): void {
  const half = f32x4.splat(0.5);
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) {
    const at = i << 2;
    const weight = v128.load(weights + at);
    const root = f32x4.mul(weight, v128.load(rms + at));
    const first = f32x4.mul(weight, v128.load(mean + at));
    v128.store(out + at, f32x4.abs(f32x4.sub(first, f32x4.mul(half, f32x4.mul(root, root)))));
  }
  for (; i < n; i++) {
    const at = i << 2;
    const weight = load<f32>(weights + at);
    const root = weight * load<f32>(rms + at);
    store<f32>(out + at, abs(weight * load<f32>(mean + at) - <f32>0.5 * (root * root)));
  }
}

/** @module */

/** `out[r, c] = |weights[r, c]| · (scale[c] + factor · |gradients[r, c]|)`, row-major `[rows, cols]`. */
export function gradientScores(
  weights: usize,
  gradients: usize,
  scale: usize,
  factor: f32,
  out: usize,
  rows: usize,
  cols: usize,
): void {
  const factors = f32x4.splat(factor);
  for (let r: usize = 0; r < rows; r++) {
    let c: usize = 0;
    for (; c + 4 <= cols; c += 4) {
      const at = c << 2;
      const sizes = f32x4.mul(factors, f32x4.abs(v128.load(gradients + at)));
      const scales = f32x4.add(v128.load(scale + at), sizes);
      v128.store(out + at, f32x4.mul(f32x4.abs(v128.load(weights + at)), scales));
    }
    for (; c < cols; c++) {
      const at = c << 2;
      const scales = load<f32>(scale + at) + factor * abs(load<f32>(gradients + at));
      store<f32>(out + at, abs(load<f32>(weights + at)) * scales);
    }
    weights += cols << 2;
    gradients += cols << 2;
    out += cols << 2;
  }
}

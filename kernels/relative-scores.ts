/** @module */

/** `out[r, c] = |weights[r, c]| · (a[c] + rowFactor[r] · b[c])`, row-major `[rows, cols]`. */
export function relativeScores(
  weights: usize,
  a: usize,
  b: usize,
  rowFactor: usize,
  out: usize,
  rows: usize,
  cols: usize,
): void {
  for (let r: usize = 0; r < rows; r++) {
    const factor = load<f32>(rowFactor + (r << 2));
    const factors = f32x4.splat(factor);
    let c: usize = 0;
    for (; c + 4 <= cols; c += 4) {
      const scale = f32x4.add(v128.load(a + (c << 2)), f32x4.mul(factors, v128.load(b + (c << 2))));
      v128.store(out + (c << 2), f32x4.mul(f32x4.abs(v128.load(weights + (c << 2))), scale));
    }
    for (; c < cols; c++) {
      const scale = load<f32>(a + (c << 2)) + factor * load<f32>(b + (c << 2));
      store<f32>(out + (c << 2), abs(load<f32>(weights + (c << 2))) * scale);
    }
    weights += cols << 2;
    out += cols << 2;
  }
}

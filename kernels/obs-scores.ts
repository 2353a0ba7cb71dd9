/** @module */

/** `out[c, lane] = (weights[c, lane] · inverseDiagonal[c])²` for a slab `[cols, lanes]`. */
export function obsScores(
  weights: usize,
  inverseDiagonal: usize,
  out: usize,
  cols: usize,
  lanes: usize,
): void {
  for (let c: usize = 0; c < cols; c++) {
    const factor = load<f32>(inverseDiagonal + (c << 2));
    const factors = f32x4.splat(factor);
    let i: usize = 0;
    for (; i + 4 <= lanes; i += 4) {
      const scaled = f32x4.mul(v128.load(weights + (i << 2)), factors);
      v128.store(out + (i << 2), f32x4.mul(scaled, scaled));
    }
    for (; i < lanes; i++) {
      const scaled = load<f32>(weights + (i << 2)) * factor;
      store<f32>(out + (i << 2), scaled * scaled);
    }
    weights += lanes << 2;
    out += lanes << 2;
  }
}

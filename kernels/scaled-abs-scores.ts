/** @module */

/** `out[r, c] = |weights[r, c]| · scale[c]`, row-major `[rows, cols]`. */
export function scaledAbsScores(weights: usize, scale: usize, out: usize, rows: usize, cols: usize): void {
  for (let r: usize = 0; r < rows; r++) {
    let c: usize = 0;
    for (; c + 4 <= cols; c += 4) {
      v128.store(
        out + (c << 2),
        f32x4.mul(f32x4.abs(v128.load(weights + (c << 2))), v128.load(scale + (c << 2))),
      );
    }
    for (; c < cols; c++) {
      store<f32>(out + (c << 2), abs(load<f32>(weights + (c << 2))) * load<f32>(scale + (c << 2)));
    }
    weights += cols << 2;
    out += cols << 2;
  }
}

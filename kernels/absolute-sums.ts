/** @module */

/** Adds `Σ|weights[r, c]|` over columns to `rowSums[r]` and over rows to `columnSums[c]`, both f64; row-major `[rows, cols]`. */
export function absoluteSums(
  weights: usize,
  rowSums: usize,
  columnSums: usize,
  rows: usize,
  cols: usize,
): void {
  for (let r: usize = 0; r < rows; r++) {
    let sum: f64 = 0;
    for (let c: usize = 0; c < cols; c++) {
      const value = <f64>abs(load<f32>(weights + (c << 2)));
      sum += value;
      const column = columnSums + (c << 3);
      store<f64>(column, load<f64>(column) + value);
    }
    const row = rowSums + (r << 3);
    store<f64>(row, load<f64>(row) + sum);
    weights += cols << 2;
  }
}

/** @module */

/** Rows and columns of a tile: its source and target lines stay in the first-level cache together. */
const TILE: usize = 32;

/** Four rows by four columns; `from` and `to` are bytes from one row to the next. */
function transposeFour(source: usize, from: usize, target: usize, to: usize): void {
  const r0 = v128.load(source);
  const r1 = v128.load(source + from);
  const r2 = v128.load(source + 2 * from);
  const r3 = v128.load(source + 3 * from);
  const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
  v128.store(target, v128.shuffle<i32>(low01, low23, 0, 1, 4, 5));
  v128.store(target + to, v128.shuffle<i32>(low01, low23, 2, 3, 6, 7));
  v128.store(target + 2 * to, v128.shuffle<i32>(high01, high23, 0, 1, 4, 5));
  v128.store(target + 3 * to, v128.shuffle<i32>(high01, high23, 2, 3, 6, 7));
}

/** `target[c, r] = source[r, c]`: f32 `[rows, cols]` to `[cols, rows]`, not in place. */
export function transpose(source: usize, target: usize, rows: usize, cols: usize): void {
  const from = cols << 2;
  const to = rows << 2;
  for (let r0: usize = 0; r0 < rows; r0 += TILE) {
    const rEnd = min<usize>(r0 + TILE, rows);
    for (let c0: usize = 0; c0 < cols; c0 += TILE) {
      const cEnd = min<usize>(c0 + TILE, cols);
      let r = r0;
      for (; r + 4 <= rEnd; r += 4) {
        let c = c0;
        for (; c + 4 <= cEnd; c += 4) {
          transposeFour(source + r * from + (c << 2), from, target + c * to + (r << 2), to);
        }
        for (; c < cEnd; c++) {
          for (let k = r; k < r + 4; k++)
            store<u32>(target + c * to + (k << 2), load<u32>(source + k * from + (c << 2)));
        }
      }
      for (; r < rEnd; r++) {
        for (let c = c0; c < cEnd; c++)
          store<u32>(target + c * to + (r << 2), load<u32>(source + r * from + (c << 2)));
      }
    }
  }
}

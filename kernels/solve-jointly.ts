/**
 * The multipliers with which weights of a row are removed together (Ilin & Richtárik 2025, arXiv 2504.05346): a system of
 * equations for every row, over the columns that it loses. All of it is f64.
 * @module
 */
import { dotF64 } from './cholesky-block';

/**
 * `out = UᵀU` in f64 for a dense upper triangular f32 `[n, n]`, whose lower triangle isn't read; both triangles are written.
 */
export function upperGram(u: usize, out: usize, n: usize): void {
  const pitch = n << 3;
  memory.fill(out, 0, n * pitch);
  for (let k: usize = 0; k < n; k++) {
    const row = u + ((k * n) << 2);
    for (let i = k; i < n; i++) {
      const factor = <f64>load<f32>(row + (i << 2));
      const factors = f64x2.splat(factor);
      const target = out + i * pitch;
      let j = i;
      for (; j + 2 <= n; j += 2) {
        const p = target + (j << 3);
        const values = f64x2.promote_low_f32x4(v128.load64_zero(row + (j << 2)));
        v128.store(p, f64x2.add(v128.load(p), f64x2.mul(factors, values)));
      }
      if (j < n) {
        const p = target + (j << 3);
        store<f64>(p, load<f64>(p) + factor * <f64>load<f32>(row + (j << 2)));
      }
    }
  }
  for (let i: usize = 1; i < n; i++) {
    for (let j: usize = 0; j < i; j++)
      store<f64>(out + i * pitch + (j << 3), load<f64>(out + j * pitch + (i << 3)));
  }
}

/** The sum of both lanes. */
function sumOf(pair: v128): f64 {
  return f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1);
}

/**
 * A row of a lower Cholesky factor up to its diagonal, `row[c] = (source[c] − Σ row[k]·L[c, k]) · inverse[c]` for `c < r`.
 * `source[c]` are `values` at the offsets `places[c]`; rows of L are `pitch` bytes apart.
 */
function factorRow(
  row: usize,
  values: usize,
  places: usize,
  l: usize,
  pitch: usize,
  inverse: usize,
  r: usize,
): void {
  let c: usize = 0;
  // Four columns at a time share what is loaded of the row.
  for (; c + 4 <= r; c += 4) {
    const l0 = l + c * pitch;
    const l1 = l0 + pitch;
    const l2 = l1 + pitch;
    const l3 = l2 + pitch;
    let s0 = f64x2.splat(0);
    let s1 = f64x2.splat(0);
    let s2 = f64x2.splat(0);
    let s3 = f64x2.splat(0);
    const end = c << 3;
    for (let k: usize = 0; k < end; k += 16) {
      const own = v128.load(row + k);
      s0 = f64x2.add(s0, f64x2.mul(own, v128.load(l0 + k)));
      s1 = f64x2.add(s1, f64x2.mul(own, v128.load(l1 + k)));
      s2 = f64x2.add(s2, f64x2.mul(own, v128.load(l2 + k)));
      s3 = f64x2.add(s3, f64x2.mul(own, v128.load(l3 + k)));
    }
    const p = places + (c << 2);
    const i = inverse + end;
    const x0 = (load<f64>(values + load<u32>(p)) - sumOf(s0)) * load<f64>(i);
    const x1 = (load<f64>(values + load<u32>(p, 4)) - sumOf(s1) - x0 * load<f64>(l1 + end)) * load<f64>(i, 8);
    const x2 =
      (load<f64>(values + load<u32>(p, 8)) -
        sumOf(s2) -
        x0 * load<f64>(l2 + end) -
        x1 * load<f64>(l2 + end, 8)) *
      load<f64>(i, 16);
    const x3 =
      (load<f64>(values + load<u32>(p, 12)) -
        sumOf(s3) -
        x0 * load<f64>(l3 + end) -
        x1 * load<f64>(l3 + end, 8) -
        x2 * load<f64>(l3 + end, 16)) *
      load<f64>(i, 24);
    store<f64>(row + end, x0);
    store<f64>(row + end, x1, 8);
    store<f64>(row + end, x2, 16);
    store<f64>(row + end, x3, 24);
  }
  for (; c < r; c++) {
    const at = c << 3;
    const sum = load<f64>(values + load<u32>(places + (c << 2))) - dotF64(row, l + c * pitch, c);
    store<f64>(row + at, sum * load<f64>(inverse + at));
  }
}

/** In place, `x = L⁻ᵀ·x`. */
function solveTransposed(x: usize, l: usize, pitch: usize, inverse: usize, n: usize): void {
  for (let r = n; r > 0; ) {
    r--;
    const at = r << 3;
    const value = load<f64>(x + at) * load<f64>(inverse + at);
    store<f64>(x + at, value);
    const values = f64x2.splat(value);
    const row = l + r * pitch;
    let k: usize = 0;
    for (; k + 2 <= r; k += 2) {
      const p = x + (k << 3);
      v128.store(p, f64x2.sub(v128.load(p), f64x2.mul(values, v128.load(row + (k << 3)))));
    }
    if (k < r) {
      const p = x + (k << 3);
      store<f64>(p, load<f64>(p) - value * load<f64>(row + (k << 3)));
    }
  }
}

/**
 * For each row, with S its marked columns, `G[S, S]·λ[S] = w[S]`, and λ is 0 elsewhere.
 * @param weights f32 `[rows, cols]`
 * @param mask u8 `[rows, cols]`
 * @param gram G, f64 `[cols, cols]`, symmetric
 * @param multipliers λ, f32 `[rows, cols]`, written
 * @param losses f64 `[rows]`, `½·λ·w` is added
 * @param scratch room for `cols · (cols + 4) · 8` bytes
 * @returns -1, or the first row at which a pivot isn't a finite number above 0
 */
export function solveJointly(
  weights: usize,
  mask: usize,
  gram: usize,
  multipliers: usize,
  losses: usize,
  rows: usize,
  cols: usize,
  scratch: usize,
): i32 {
  const pitch = cols << 3;
  const factor = scratch;
  const inverse = factor + cols * pitch;
  const solution = inverse + pitch;
  const right = solution + pitch;
  // Offsets of the marked columns in a row of f64.
  const places = right + pitch;
  for (let row: usize = 0; row < rows; row++) {
    const w = weights + ((row * cols) << 2);
    const marks = mask + row * cols;
    const out = multipliers + ((row * cols) << 2);
    memory.fill(out, 0, cols << 2);
    let count: usize = 0;
    for (let c: usize = 0; c < cols; c++) {
      if (!load<u8>(marks + c)) continue;
      store<u32>(places + (count << 2), <u32>(c << 3));
      count++;
      store<f64>(right + (c << 3), <f64>load<f32>(w + (c << 2)));
    }
    for (let r: usize = 0; r < count; r++) {
      const own = factor + r * pitch;
      const place = <usize>load<u32>(places + (r << 2));
      const values = gram + place * cols;
      factorRow(own, values, places, factor, pitch, inverse, r);
      const pivot = load<f64>(values + place) - dotF64(own, own, r);
      if (!(pivot > 0 && pivot < Infinity)) return <i32>row;
      store<f64>(inverse + (r << 3), 1 / sqrt(pivot));
    }
    factorRow(solution, right, places, factor, pitch, inverse, count);
    const loss = losses + (row << 3);
    store<f64>(loss, load<f64>(loss) + dotF64(solution, solution, count) * 0.5);
    solveTransposed(solution, factor, pitch, inverse, count);
    for (let r: usize = 0; r < count; r++) {
      store<f32>(out + (load<u32>(places + (r << 2)) >> 1), <f32>load<f64>(solution + (r << 3)));
    }
  }
  return -1;
}

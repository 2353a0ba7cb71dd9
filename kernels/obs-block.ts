/**
 * The update inside one column block of SparseGPT (Frantar & Alistarh 2023, arXiv 2301.00774, algorithm 1):
 * columns are pruned in order, and each pruned column's error moves the weights of the columns after it.
 *
 * The paper's loop is right-looking: every column updates all later ones in memory. Here four columns at a
 * time collect what all earlier columns owe them in registers (left-looking), for sixteen lanes copied
 * side by side into scratch; only inside those four is the loop right-looking. Each weight still sees the
 * same subtractions, one rounding each, in column order, so where a lane sits makes no difference.
 * @module
 */
import { isAmongSmallest } from './rank';

/** Bytes of one column of a tile of sixteen lanes, f32. */
const COLUMN: usize = 64;
/** Lanes of a tile. */
const LANES: usize = 16;
/** Columns whose sums are collected together. */
const QUAD: usize = 4;

/**
 * `weights[c] −= Σ errors[i] · u[i, c]` over `count` columns `i`, for the `width` (1 to 4) columns of a quad.
 * `weights` and `errors` are tiles; rows of `u` are `pitch` bytes apart and four values are read of each.
 */
function collect(weights: usize, errors: usize, u: usize, pitch: usize, count: usize, width: usize): void {
  const end = errors + count * COLUMN;
  for (let half: usize = 0; half < COLUMN; half += COLUMN / 2) {
    const w = weights + half;
    let a0 = v128.load(w);
    let a1 = v128.load(w, 16);
    let b0 = v128.load(w, 64);
    let b1 = v128.load(w, 80);
    let c0 = v128.load(w, 128);
    let c1 = v128.load(w, 144);
    let d0 = v128.load(w, 192);
    let d1 = v128.load(w, 208);
    let p = u;
    for (let e = errors + half; e < end; e += COLUMN) {
      const e0 = v128.load(e);
      const e1 = v128.load(e, 16);
      const ua = v128.load_splat<f32>(p);
      a0 = f32x4.sub(a0, f32x4.mul(e0, ua));
      a1 = f32x4.sub(a1, f32x4.mul(e1, ua));
      const ub = v128.load_splat<f32>(p, 4);
      b0 = f32x4.sub(b0, f32x4.mul(e0, ub));
      b1 = f32x4.sub(b1, f32x4.mul(e1, ub));
      const uc = v128.load_splat<f32>(p, 8);
      c0 = f32x4.sub(c0, f32x4.mul(e0, uc));
      c1 = f32x4.sub(c1, f32x4.mul(e1, uc));
      const ud = v128.load_splat<f32>(p, 12);
      d0 = f32x4.sub(d0, f32x4.mul(e0, ud));
      d1 = f32x4.sub(d1, f32x4.mul(e1, ud));
      p += pitch;
    }
    v128.store(w, a0);
    v128.store(w, a1, 16);
    if (width > 1) {
      v128.store(w, b0, 64);
      v128.store(w, b1, 80);
    }
    if (width > 2) {
      v128.store(w, c0, 128);
      v128.store(w, c1, 144);
    }
    if (width > 3) {
      v128.store(w, d0, 192);
      v128.store(w, d1, 208);
    }
  }
}

/** Four lanes of one column: prunes where `drop` is all ones, and moves the rest of the quad. */
function pruneFour(w: usize, e: usize, drop: v128, inverse: v128, uRow: usize, later: usize): void {
  const weight = v128.load(w);
  v128.store(w, v128.andnot(weight, drop));
  const error = v128.and(f32x4.mul(weight, inverse), drop);
  v128.store(e, error);
  for (let c: usize = 1; c <= later; c++) {
    const p = w + c * COLUMN;
    v128.store(p, f32x4.sub(v128.load(p), f32x4.mul(error, v128.load_splat<f32>(uRow + (c << 2)))));
  }
}

/** Prunes one column of a tile by its sixteen mask bytes. `uRow` is `U[j, j…]`; `later` columns are moved. */
function pruneColumn(w: usize, e: usize, mask: usize, uRow: usize, later: usize): void {
  const inverse = f32x4.splat(<f32>1 / load<f32>(uRow));
  const drop = i8x16.ne(v128.load(mask), i8x16.splat(0));
  const low = i16x8.extend_low_i8x16_s(drop);
  const high = i16x8.extend_high_i8x16_s(drop);
  pruneFour(w, e, i32x4.extend_low_i16x8_s(low), inverse, uRow, later);
  pruneFour(w + 16, e + 16, i32x4.extend_high_i16x8_s(low), inverse, uRow, later);
  pruneFour(w + 32, e + 32, i32x4.extend_low_i16x8_s(high), inverse, uRow, later);
  pruneFour(w + 48, e + 48, i32x4.extend_high_i16x8_s(high), inverse, uRow, later);
}

/** All ones in four lanes whose marks, at `mask`, aren't 0. */
function marked(mask: usize): v128 {
  const bytes = i16x8.extend_low_i8x16_u(v128.load32_zero(mask));
  return i32x4.gt_s(i32x4.extend_low_i16x8_u(bytes), i32x4.splat(0));
}

/**
 * Chooses a group's mask: what is marked in it, and the `prune` of `m` columns with the smallest `(w / U_jj)²`, marked ones
 * first. `scores` is a tile to fill.
 */
function selectGroup(
  w: usize,
  u: usize,
  uPitch: usize,
  scores: usize,
  mask: usize,
  m: usize,
  prune: i32,
): void {
  for (let c: usize = 0; c < m; c++) {
    const inverse = f32x4.splat(<f32>1 / load<f32>(u + c * uPitch + (c << 2)));
    for (let at = c * COLUMN; at < (c + 1) * COLUMN; at += 16) {
      const scaled = f32x4.mul(v128.load(w + at), inverse);
      // All ones are −1 among the integers that are compared.
      v128.store(scores + at, v128.or(f32x4.mul(scaled, scaled), marked(mask + (at >> 2))));
    }
  }
  for (let c: usize = 0; c < m; c++) {
    const bytes = i8x16.narrow_i16x8_s(
      i16x8.narrow_i32x4_s(
        isAmongSmallest(scores, COLUMN, m, c, prune),
        isAmongSmallest(scores + 16, COLUMN, m, c, prune),
      ),
      i16x8.narrow_i32x4_s(
        isAmongSmallest(scores + 32, COLUMN, m, c, prune),
        isAmongSmallest(scores + 48, COLUMN, m, c, prune),
      ),
    );
    const at = mask + c * LANES;
    v128.store(at, v128.or(v128.load(at), v128.and(bytes, i8x16.splat(1))));
  }
}

/** `loss[lane] += ½ Σ errors[c, lane]²` over all columns of a tile, for two lanes. */
function addLoss(loss: usize, errors: usize, cols: usize): void {
  let sum = f64x2.splat(0);
  const end = errors + cols * COLUMN;
  for (let e = errors; e < end; e += COLUMN) {
    const error = f64x2.promote_low_f32x4(v128.load64_zero(e));
    sum = f64x2.add(sum, f64x2.mul(error, error));
  }
  v128.store(loss, f64x2.add(v128.load(loss), f64x2.mul(sum, f64x2.splat(0.5))));
}

/** Copies `cols` rows of `width` bytes between places whose rows are `from` and `to` bytes apart. */
function copyRows(source: usize, from: usize, target: usize, to: usize, width: usize, cols: usize): void {
  if (width == COLUMN) {
    for (let c: usize = 0; c < cols; c++) {
      v128.store(target, v128.load(source));
      v128.store(target, v128.load(source, 16), 16);
      v128.store(target, v128.load(source, 32), 32);
      v128.store(target, v128.load(source, 48), 48);
      source += from;
      target += to;
    }
  } else {
    for (let c: usize = 0; c < cols; c++) {
      memory.copy(target, source, width);
      source += from;
      target += to;
    }
  }
}

/**
 * Prunes a block of `cols` columns of `lanes` rows in place.
 * @param weights f32 `[cols, lanes]`; on return +0.0 where pruned, else the moved weight
 * @param u f32 `[cols, cols]` row-major, the diagonal block of U with UᵀU = H⁻¹; its upper triangle is read
 * @param mask u8 `[cols, lanes]`, 1 = prune; when `m` isn't 0, what is missing is added to it, so that at most `n` of
 *   every `m` columns are kept
 * @param errors f32 `[cols, lanes]`, written: `w_j / U_jj` where pruned, else 0
 * @param loss f64 `[lanes]`, `½ Σ error²` is added
 * @param m 0, or a divisor of `cols`
 * @param packed room for U in quads of columns, `16·cols` bytes a quad, or 0 to read U where it is
 * @param tile room for `cols · 144 + 256` bytes
 */
export function obsBlock(
  weights: usize,
  u: usize,
  mask: usize,
  errors: usize,
  loss: usize,
  cols: usize,
  lanes: usize,
  n: u32,
  m: u32,
  packed: usize,
  tile: usize,
): void {
  const uPitch = cols << 2;
  const group = <usize>m;
  const prune = <i32>(m - n);
  // Columns whose earlier sums are collected before the first of them is pruned: a whole group, for its mask.
  const panel = group > 2 ? group : QUAD;

  // A quad of U's columns lies strided by a power of two as a rule, which few cache lines can hold at once.
  if (packed) {
    let to = packed;
    for (let p0: usize = 0; p0 < cols; p0 += panel) {
      const pEnd = min<usize>(p0 + panel, cols);
      for (let q = p0; q < pEnd; q += QUAD) {
        // Past a narrow quad this reads on into row i + 1, which exists: i < q.
        for (let i: usize = 0; i < q; i++) {
          v128.store(to, v128.load(u + i * uPitch + (q << 2)));
          to += 16;
        }
      }
    }
  }

  const w = tile;
  // A narrow quad reads up to three columns too far, and doesn't write them.
  const e = w + cols * COLUMN + 256;
  const k = e + cols * COLUMN;

  for (let lane: usize = 0; lane < lanes; lane += LANES) {
    const width = min<usize>(LANES, lanes - lane);
    if (width < LANES) memory.fill(tile, 0, cols * (2 * COLUMN + LANES) + 256);
    copyRows(weights + (lane << 2), lanes << 2, w, COLUMN, width << 2, cols);
    copyRows(mask + lane, lanes, k, LANES, width, cols);

    let quads = packed;
    for (let p0: usize = 0; p0 < cols; p0 += panel) {
      const pEnd = min<usize>(p0 + panel, cols);
      let quad = quads;
      for (let q = p0; q < pEnd; q += QUAD) {
        const uQuad = packed ? quad : u + (q << 2);
        const pitch: usize = packed ? 16 : uPitch;
        collect(w + q * COLUMN, e, uQuad, pitch, p0, min<usize>(pEnd - q, QUAD));
        quad += q << 4;
      }
      for (let q = p0; q < pEnd; q += QUAD) {
        const qEnd = min<usize>(q + QUAD, pEnd);
        if (q > p0) {
          const pitch: usize = packed ? 16 : uPitch;
          const uQuad = (packed ? quads : u + (q << 2)) + p0 * pitch;
          collect(w + q * COLUMN, e + p0 * COLUMN, uQuad, pitch, q - p0, qEnd - q);
        }
        quads += q << 4;
        for (let j = q; j < qEnd; j++) {
          const diagonal = u + j * uPitch + (j << 2);
          const at = j * COLUMN;
          if (m && j % group == 0) selectGroup(w + at, diagonal, uPitch, e + at, k + j * LANES, group, prune);
          pruneColumn(w + at, e + at, k + j * LANES, diagonal, qEnd - j - 1);
        }
      }
    }

    copyRows(w, COLUMN, weights + (lane << 2), lanes << 2, width << 2, cols);
    copyRows(e, COLUMN, errors + (lane << 2), lanes << 2, width << 2, cols);
    if (m) copyRows(k, LANES, mask + lane, lanes, width, cols);
    for (let i: usize = 0; i + 2 <= width; i += 2) addLoss(loss + ((lane + i) << 3), e + (i << 2), cols);
    if (width & 1) {
      const last = width - 1;
      let sum: f64 = 0;
      for (let c: usize = 0; c < cols; c++) {
        const error = <f64>load<f32>(e + c * COLUMN + (last << 2));
        sum += error * error;
      }
      const p = loss + ((lane + last) << 3);
      store<f64>(p, load<f64>(p) + sum * 0.5);
    }
  }
}

/** @module */

/**
 * `mask[i] = 1` where the bits of `scores[i]` are below `threshold`, and for the first `ties` scores (in index
 * order) whose bits equal it; 0 elsewhere. Scores are non-negative. Returns how many equal ones were taken.
 */
export function thresholdMask(scores: usize, n: usize, threshold: i32, ties: i32, mask: usize): i32 {
  const limit = i32x4.splat(threshold);
  const one = i8x16.splat(1);
  let taken = 0;
  let i: usize = 0;
  for (; i + 16 <= n; i += 16) {
    const p = scores + (i << 2);
    const a = v128.load(p);
    const b = v128.load(p, 16);
    const c = v128.load(p, 32);
    const d = v128.load(p, 48);
    const below = i8x16.narrow_i16x8_s(
      i16x8.narrow_i32x4_s(i32x4.gt_s(limit, a), i32x4.gt_s(limit, b)),
      i16x8.narrow_i32x4_s(i32x4.gt_s(limit, c), i32x4.gt_s(limit, d)),
    );
    v128.store(mask + i, v128.and(below, one));
    if (taken < ties) {
      const equal = i8x16.narrow_i16x8_s(
        i16x8.narrow_i32x4_s(i32x4.eq(limit, a), i32x4.eq(limit, b)),
        i16x8.narrow_i32x4_s(i32x4.eq(limit, c), i32x4.eq(limit, d)),
      );
      let hits = i8x16.bitmask(equal);
      while (hits && taken < ties) {
        store<u8>(mask + i + ctz(hits), 1);
        hits &= hits - 1;
        taken++;
      }
    }
  }
  for (; i < n; i++) {
    const bits = load<i32>(scores + (i << 2));
    let pruned = bits < threshold;
    if (bits == threshold && taken < ties) {
      pruned = true;
      taken++;
    }
    store<u8>(mask + i, <u8>pruned);
  }
  return taken;
}

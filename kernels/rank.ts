/**
 * Ranks within groups, four or sixteen groups side by side in the lanes of vectors. Non-negative f32 order as
 * their bits do, so the comparisons are on integers.
 * @module
 */

/**
 * For column `c` of `m` columns of four lanes (rows of `stride` bytes at `scores`): all ones in the lanes where
 * fewer than `prune` of the group's scores come before it. Equal scores come in column order.
 */
export function isAmongSmallest(scores: usize, stride: usize, m: usize, c: usize, prune: i32): v128 {
  const own = v128.load(scores + c * stride);
  // A true comparison is -1, so `rank` is c − (earlier and larger) + (later and smaller).
  let rank = i32x4.splat(<i32>c);
  let p = scores;
  const at = scores + c * stride;
  for (; p < at; p += stride) rank = i32x4.add(rank, i32x4.gt_s(v128.load(p), own));
  const end = scores + m * stride;
  for (p = at + stride; p < end; p += stride) rank = i32x4.sub(rank, i32x4.gt_s(own, v128.load(p)));
  return i32x4.gt_s(i32x4.splat(prune), rank);
}

/** @module */
import { isAmongSmallest } from './rank';
import { selectSmallest } from './select-smallest';

/** Above this, comparing all pairs of a group costs more than a radix selection. */
const LARGEST_RANKED: usize = 64;

/** Four groups side by side: `[m, 4]`. */
const GROUPS = memory.data(64 * 16, 16);

/** Four groups of four, which never leave the registers: half the time of `selectOfFours`. */
function selectOfFour(scores: usize, prune: i32, mask: usize): void {
  const r0 = v128.load(scores);
  const r1 = v128.load(scores, 16);
  const r2 = v128.load(scores, 32);
  const r3 = v128.load(scores, 48);
  const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
  const a = v128.shuffle<i32>(low01, low23, 0, 1, 4, 5);
  const b = v128.shuffle<i32>(low01, low23, 2, 3, 6, 7);
  const c = v128.shuffle<i32>(high01, high23, 0, 1, 4, 5);
  const d = v128.shuffle<i32>(high01, high23, 2, 3, 6, 7);
  // True is -1. Of two equal scores the earlier one comes first.
  const ab = i32x4.gt_s(a, b);
  const ac = i32x4.gt_s(a, c);
  const ad = i32x4.gt_s(a, d);
  const bc = i32x4.gt_s(b, c);
  const bd = i32x4.gt_s(b, d);
  const cd = i32x4.gt_s(c, d);
  const limit = i32x4.splat(prune);
  const rankA = i32x4.neg(i32x4.add(i32x4.add(ab, ac), ad));
  const rankB = i32x4.sub(i32x4.sub(i32x4.add(i32x4.splat(1), ab), bc), bd);
  const rankC = i32x4.sub(i32x4.add(i32x4.add(i32x4.splat(2), ac), bc), cd);
  const rankD = i32x4.add(i32x4.add(i32x4.add(i32x4.splat(3), ad), bd), cd);
  let bytes = v128.and(i32x4.gt_s(limit, rankA), i32x4.splat(1));
  bytes = v128.or(bytes, v128.and(i32x4.gt_s(limit, rankB), i32x4.splat(1 << 8)));
  bytes = v128.or(bytes, v128.and(i32x4.gt_s(limit, rankC), i32x4.splat(1 << 16)));
  bytes = v128.or(bytes, v128.and(i32x4.gt_s(limit, rankD), i32x4.splat(1 << 24)));
  v128.store(mask, bytes);
}

/** `target[c]` (of four lanes) is column `c` of four rows of four, `stride` bytes apart. */
function transposeFour(source: usize, stride: usize, target: usize): void {
  const r0 = v128.load(source);
  const r1 = v128.load(source + stride);
  const r2 = v128.load(source + 2 * stride);
  const r3 = v128.load(source + 3 * stride);
  const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
  v128.store(target, v128.shuffle<i32>(low01, low23, 0, 1, 4, 5));
  v128.store(target, v128.shuffle<i32>(low01, low23, 2, 3, 6, 7), 16);
  v128.store(target, v128.shuffle<i32>(high01, high23, 0, 1, 4, 5), 32);
  v128.store(target, v128.shuffle<i32>(high01, high23, 2, 3, 6, 7), 48);
}

/** Four groups of `m`, a multiple of 4: the ranks of four columns at a time in registers, of all groups side by side. */
function selectOfFours(scores: usize, m: usize, prune: i32, mask: usize): void {
  for (let c: usize = 0; c < m; c += 4) transposeFour(scores + (c << 2), m << 2, GROUPS + (c << 4));
  const end = GROUPS + (m << 4);
  const limit = i32x4.splat(prune);
  for (let q: usize = 0; q < m; q += 4) {
    const own = GROUPS + (q << 4);
    const a = v128.load(own);
    const b = v128.load(own, 16);
    const c = v128.load(own, 32);
    const d = v128.load(own, 48);
    // True is -1. Of two equal scores the earlier one comes first.
    const ab = i32x4.gt_s(a, b);
    const ac = i32x4.gt_s(a, c);
    const ad = i32x4.gt_s(a, d);
    const bc = i32x4.gt_s(b, c);
    const bd = i32x4.gt_s(b, d);
    const cd = i32x4.gt_s(c, d);
    const before = i32x4.splat(<i32>q);
    let rankA = i32x4.sub(before, i32x4.add(i32x4.add(ab, ac), ad));
    let rankB = i32x4.add(before, i32x4.sub(i32x4.sub(i32x4.add(i32x4.splat(1), ab), bc), bd));
    let rankC = i32x4.add(before, i32x4.sub(i32x4.add(i32x4.add(i32x4.splat(2), ac), bc), cd));
    let rankD = i32x4.add(before, i32x4.add(i32x4.add(i32x4.add(i32x4.splat(3), ad), bd), cd));
    for (let p = GROUPS; p < own; p += 16) {
      const other = v128.load(p);
      rankA = i32x4.add(rankA, i32x4.gt_s(other, a));
      rankB = i32x4.add(rankB, i32x4.gt_s(other, b));
      rankC = i32x4.add(rankC, i32x4.gt_s(other, c));
      rankD = i32x4.add(rankD, i32x4.gt_s(other, d));
    }
    for (let p = own + 64; p < end; p += 16) {
      const other = v128.load(p);
      rankA = i32x4.sub(rankA, i32x4.gt_s(a, other));
      rankB = i32x4.sub(rankB, i32x4.gt_s(b, other));
      rankC = i32x4.sub(rankC, i32x4.gt_s(c, other));
      rankD = i32x4.sub(rankD, i32x4.gt_s(d, other));
    }
    // Lane g becomes four bytes of group g's mask.
    let bytes = v128.and(i32x4.gt_s(limit, rankA), i32x4.splat(1));
    bytes = v128.or(bytes, v128.and(i32x4.gt_s(limit, rankB), i32x4.splat(1 << 8)));
    bytes = v128.or(bytes, v128.and(i32x4.gt_s(limit, rankC), i32x4.splat(1 << 16)));
    bytes = v128.or(bytes, v128.and(i32x4.gt_s(limit, rankD), i32x4.splat(1 << 24)));
    v128.store_lane<u32>(mask + q, bytes, 0);
    v128.store_lane<u32>(mask + m + q, bytes, 1);
    v128.store_lane<u32>(mask + 2 * m + q, bytes, 2);
    v128.store_lane<u32>(mask + 3 * m + q, bytes, 3);
  }
}

/** `count` (1 to 4) groups of `m`; lanes without a group rank whatever was there, unread. */
function selectRanked(scores: usize, count: usize, m: usize, prune: i32, mask: usize): void {
  for (let g: usize = 0; g < count; g++) {
    const lane = GROUPS + (g << 2);
    for (let c: usize = 0; c < m; c++) store<i32>(lane + (c << 4), load<i32>(scores + ((g * m + c) << 2)));
  }
  for (let c: usize = 0; c < m; c++) {
    const pruned = v128.and(isAmongSmallest(GROUPS, 16, m, c, prune), i32x4.splat(1));
    store<u8>(mask + c, <u8>i32x4.extract_lane(pruned, 0));
    if (count > 1) store<u8>(mask + m + c, <u8>i32x4.extract_lane(pruned, 1));
    if (count > 2) store<u8>(mask + 2 * m + c, <u8>i32x4.extract_lane(pruned, 2));
    if (count > 3) store<u8>(mask + 3 * m + c, <u8>i32x4.extract_lane(pruned, 3));
  }
}

/**
 * Keeps `n` of every `m` consecutive columns of `[rows, cols]` (`m` divides `cols`): `mask = 1` on the `m − n`
 * smallest non-negative scores of each group, ties by lowest index; 0 elsewhere.
 */
export function selectNofM(scores: usize, rows: usize, cols: usize, n: u32, m: u32, mask: usize): void {
  const prune = m - n;
  const width = <usize>m;
  let groups = rows * (cols / width);
  if (width > LARGEST_RANKED) {
    for (; groups > 0; groups--) {
      selectSmallest(scores, width, prune, mask);
      scores += width << 2;
      mask += width;
    }
    return;
  }
  if (width == 4) {
    for (; groups >= 4; groups -= 4) {
      selectOfFour(scores, prune, mask);
      scores += 64;
      mask += 16;
    }
  } else if (width % 4 == 0) {
    for (; groups >= 4; groups -= 4) {
      selectOfFours(scores, width, prune, mask);
      scores += width << 4;
      mask += width << 2;
    }
  }
  while (groups > 0) {
    const count = min<usize>(groups, 4);
    selectRanked(scores, count, width, prune, mask);
    scores += (count * width) << 2;
    mask += count * width;
    groups -= count;
  }
}

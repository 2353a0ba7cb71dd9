/**
 * Exact selection by radix: the bits of non-negative f32 order as integers do, so the k-th smallest is found
 * digit by digit (11, 10 and 10 bits) from histograms.
 * @module
 */
import { thresholdMask } from './threshold-mask';

const BINS = memory.data(2048 * 4);

/** Counts the digit `(bits >>> shift) & digitMask` of the scores whose bits above it equal `prefix`. */
function count(scores: usize, n: usize, prefix: u32, shift: i32, digitBits: i32): void {
  const digitMask: u32 = (1 << digitBits) - 1;
  const above = shift + digitBits;
  memory.fill(BINS, 0, (digitMask + 1) << 2);
  const wanted = i32x4.splat(<i32>prefix);
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) {
    let hits = i32x4.bitmask(i32x4.eq(i32x4.shr_u(v128.load(scores + (i << 2)), above), wanted));
    while (hits) {
      const bits = load<u32>(scores + ((i + ctz(hits)) << 2));
      hits &= hits - 1;
      const bin = BINS + (((bits >>> shift) & digitMask) << 2);
      store<u32>(bin, load<u32>(bin) + 1);
    }
  }
  for (; i < n; i++) {
    const bits = load<u32>(scores + (i << 2));
    if (bits >>> above != prefix) continue;
    const bin = BINS + (((bits >>> shift) & digitMask) << 2);
    store<u32>(bin, load<u32>(bin) + 1);
  }
}

/** Counts the top digit, `bits >>> 20`, of all scores. */
function countTop(scores: usize, n: usize): void {
  memory.fill(BINS, 0, 2048 << 2);
  for (let i: usize = 0; i < n; i++) {
    const bin = BINS + ((load<u32>(scores + (i << 2)) >>> 20) << 2);
    store<u32>(bin, load<u32>(bin) + 1);
  }
}

/** How many scores lie in the sixteen bins from `digit` on. */
function sixteenBins(digit: u32): u32 {
  const p = BINS + (digit << 2);
  const sum = i32x4.add(
    i32x4.add(v128.load(p), v128.load(p, 16)),
    i32x4.add(v128.load(p, 32), v128.load(p, 48)),
  );
  const pairs = i64x2.add(i64x2.extend_low_i32x4_u(sum), i64x2.extend_high_i32x4_u(sum));
  return <u32>(i64x2.extract_lane(pairs, 0) + i64x2.extract_lane(pairs, 1));
}

/** How many scores lie in bins below the one that `findDigit` found. */
let below: u32 = 0;

/** The bin in which the counts, added up from the first bin on, reach `rank`. */
function findDigit(rank: u32): u32 {
  let digit: u32 = 0;
  let sum: u32 = 0;
  // Most bins are empty, and where rows are short, looking at them is most of the work.
  let next = sixteenBins(0);
  while (next < rank) {
    sum = next;
    digit += 16;
    next += sixteenBins(digit);
  }
  next = sum + load<u32>(BINS + (digit << 2));
  while (next < rank) {
    sum = next;
    next += load<u32>(BINS + (++digit << 2));
  }
  below = sum;
  return digit;
}

/** `mask[i] = 1` on exactly the `k` smallest of `n` non-negative scores, ties by lowest index; 0 elsewhere. */
export function selectSmallest(scores: usize, n: usize, k: u32, mask: usize): void {
  if (k == 0 || <usize>k >= n) {
    memory.fill(mask, k == 0 ? 0 : 1, n);
    return;
  }
  countTop(scores, n);
  let prefix = findDigit(k);
  let rest = k - below;
  for (let shift = 10; shift >= 0; shift -= 10) {
    count(scores, n, prefix, shift, 10);
    prefix = (prefix << 10) | findDigit(rest);
    rest -= below;
  }
  thresholdMask(scores, n, <i32>prefix, <i32>rest, mask);
}

/** `selectSmallest` of `k` in each row of `[rows, cols]`. */
export function selectSmallestRows(scores: usize, rows: usize, cols: usize, k: u32, mask: usize): void {
  for (let r: usize = 0; r < rows; r++) {
    selectSmallest(scores, cols, k, mask);
    scores += cols << 2;
    mask += cols;
  }
}

/** @module */

function countHigh(score: usize, histogram: usize): void {
  const bin = histogram + ((<usize>load<u16>(score, 2)) << 2);
  store<u32>(bin, load<u32>(bin) + 1);
}

/** `histogram[bits >>> 16] += 1` over `n` scores; u32[65536], added to. Returns whether any low 16 bits are used. */
export function histogramHigh(scores: usize, n: usize, histogram: usize): bool {
  let bits = i32x4.splat(0);
  let rest: u32 = 0;
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) {
    const p = scores + (i << 2);
    bits = v128.or(bits, v128.load(p));
    countHigh(p, histogram);
    countHigh(p + 4, histogram);
    countHigh(p + 8, histogram);
    countHigh(p + 12, histogram);
  }
  for (; i < n; i++) {
    rest |= load<u32>(scores + (i << 2));
    countHigh(scores + (i << 2), histogram);
  }
  const low = i32x4.splat(0xffff);
  return v128.any_true(v128.and(bits, low)) || (rest & 0xffff) != 0;
}

/** `histogram[bits & 0xffff] += 1` over the scores with `bits >>> 16 == high`; u32[65536], added to. */
export function histogramLow(scores: usize, n: usize, high: u32, histogram: usize): void {
  const wanted = i32x4.splat(<i32>high);
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) {
    let hits = i32x4.bitmask(i32x4.eq(i32x4.shr_u(v128.load(scores + (i << 2)), 16), wanted));
    while (hits) {
      const at = i + ctz(hits);
      hits &= hits - 1;
      const bin = histogram + ((<usize>load<u16>(scores + (at << 2))) << 2);
      store<u32>(bin, load<u32>(bin) + 1);
    }
  }
  for (; i < n; i++) {
    if (<u32>load<u16>(scores + (i << 2), 2) != high) continue;
    const bin = histogram + ((<usize>load<u16>(scores + (i << 2))) << 2);
    store<u32>(bin, load<u32>(bin) + 1);
  }
}

/** @module */

/** `histogram[bits >>> 16] += 1` over `n` scores; u32[65536], added to what is there. */
export function histogramHigh(scores: usize, n: usize, histogram: usize): void {
  for (let i: usize = 0; i < n; i++) {
    const bin = histogram + ((<usize>load<u16>(scores + (i << 2), 2)) << 2);
    store<u32>(bin, load<u32>(bin) + 1);
  }
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

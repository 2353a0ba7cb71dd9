/** @module */

/** The largest |value| of `n` f32; 0 of none. NaN where one is. */
export function largestMagnitude(values: usize, n: usize): f32 {
  let most = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) most = f32x4.max(most, f32x4.abs(v128.load(values + (i << 2))));
  let largest = max(
    max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
    max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
  );
  for (; i < n; i++) largest = max(largest, abs(load<f32>(values + (i << 2))));
  return largest;
}

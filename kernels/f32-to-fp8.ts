/** @module */

/** The largest magnitude that rounds to 448: half a step above. */
const LARGEST: f32 = 464;

/** Four f32 over their scale to E4M3 codes in the low bytes: nearest, ties to even. Zeros are zeros whatever the scale. */
function encode(values: v128, scale: v128, quotients: v128): v128 {
  const magnitude = v128.and(quotients, i32x4.splat(0x7fffffff));
  const odd = v128.and(i32x4.shr_u(magnitude, 20), i32x4.splat(1));
  // Half a unit less one in the last place kept; `odd` breaks the ties to even.
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, i32x4.splat(0x7ffff)), odd), 20);
  const normal = i32x4.sub(rounded, i32x4.splat((127 - 7) << 3));
  // 2¹⁴ has steps of 2⁻⁹, exactly the subnormal step: adding it makes the hardware round.
  const step = f32x4.splat(16384);
  const subnormal = i32x4.sub(f32x4.add(magnitude, step), step);
  let code = v128.bitselect(subnormal, normal, i32x4.lt_s(magnitude, i32x4.splat(121 << 23)));
  code = v128.andnot(code, f32x4.eq(values, f32x4.splat(0)));
  return v128.or(code, v128.and(i32x4.shr_u(v128.xor(values, scale), 24), i32x4.splat(0x80)));
}

/** Lanes whose quotient is beyond the largest code or NaN, and whose value isn't zero. */
function unfit(values: v128, quotients: v128): v128 {
  const fits = v128.or(
    f32x4.le(f32x4.abs(quotients), f32x4.splat(LARGEST)),
    f32x4.eq(values, f32x4.splat(0)),
  );
  return v128.not(fits);
}

/**
 * The opposite of `fp8ToF32`: `codes[i]` is `source[i] / scales[⌊(first + i) / width⌋]`, to nearest, ties to even.
 * Returns the index of the first that no code stands for, because it is too large or NaN, or -1.
 */
export function f32ToFp8(
  source: usize,
  scales: usize,
  codes: usize,
  n: usize,
  first: usize,
  width: usize,
): i32 {
  for (let i: usize = 0; i < n; ) {
    const block = (first + i) / width;
    const end = min(n, (block + 1) * width - first);
    const scale = f32x4.splat(load<f32>(scales + (block << 2)));
    for (; i + 8 <= end; i += 8) {
      const a = v128.load(source + (i << 2));
      const b = v128.load(source + (i << 2), 16);
      const qa = f32x4.div(a, scale);
      const qb = f32x4.div(b, scale);
      if (v128.any_true(v128.or(unfit(a, qa), unfit(b, qb)))) break;
      const packed = i16x8.narrow_i32x4_u(encode(a, scale, qa), encode(b, scale, qb));
      v128.store64_lane(codes + i, i8x16.narrow_i16x8_u(packed, packed), 0);
    }
    for (; i < end; i++) {
      const value = f32x4.splat(load<f32>(source + (i << 2)));
      const quotient = f32x4.div(value, scale);
      if (v128.any_true(unfit(value, quotient))) return <i32>i;
      store<u8>(codes + i, <u8>i32x4.extract_lane(encode(value, scale, quotient), 0));
    }
  }
  return -1;
}

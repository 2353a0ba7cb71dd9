/** @module */

/** Bit `i` is set where value `i` of eight f32 isn't ±0. */
function nonZeros32(p: usize): u32 {
  const magnitude = i32x4.splat(0x7fffffff);
  const zero = i32x4.splat(0);
  const a = i32x4.eq(v128.and(v128.load(p), magnitude), zero);
  const b = i32x4.eq(v128.and(v128.load(p, 16), magnitude), zero);
  return <u32>i16x8.bitmask(i16x8.narrow_i32x4_s(a, b)) ^ 0xff;
}

/** Bit `i` is set where value `i` of eight 16-bit floats isn't ±0. */
function nonZeros16(p: usize): u32 {
  return <u32>i16x8.bitmask(i16x8.eq(v128.and(v128.load(p), i16x8.splat(0x7fff)), i16x8.splat(0))) ^ 0xff;
}

/** Groups of `m` (2, 4 or 8) with more than `n` of the eight bits `present` set. */
function violations(present: u32, n: u32, m: u32): u32 {
  const group: u32 = (1 << m) - 1;
  let found: u32 = 0;
  for (let shift: u32 = 0; shift < 8; shift += m) found += u32(<u32>popcnt((present >>> shift) & group) > n);
  return found;
}

/** How many groups of `m` consecutive f32 of `[rows, cols]` (`m` divides `cols`) hold more than `n` non-zeros. */
export function countGroupViolations32(values: usize, rows: usize, cols: usize, n: u32, m: u32): u32 {
  const width = <usize>m;
  const total = rows * cols;
  let found: u32 = 0;
  let i: usize = 0;
  if (m == 2 || m == 4 || m == 8) {
    for (; i + 8 <= total; i += 8) found += violations(nonZeros32(values + (i << 2)), n, m);
  }
  for (; i < total; i += width) {
    let present: u32 = 0;
    for (let c: usize = 0; c < width; c++)
      present += u32((load<u32>(values + ((i + c) << 2)) & 0x7fffffff) != 0);
    found += u32(present > n);
  }
  return found;
}

/** `countGroupViolations32` on bf16 or f16 storage. */
export function countGroupViolations16(values: usize, rows: usize, cols: usize, n: u32, m: u32): u32 {
  const width = <usize>m;
  const total = rows * cols;
  let found: u32 = 0;
  let i: usize = 0;
  if (m == 2 || m == 4 || m == 8) {
    for (; i + 8 <= total; i += 8) found += violations(nonZeros16(values + (i << 1)), n, m);
  }
  for (; i < total; i += width) {
    let present: u32 = 0;
    for (let c: usize = 0; c < width; c++) present += u32((load<u16>(values + ((i + c) << 1)) & 0x7fff) != 0);
    found += u32(present > n);
  }
  return found;
}

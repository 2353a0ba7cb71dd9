/** @module */

/**
 * Before the product of an ADMM step, for row-major `[rows, cols]`: `out = target + scale[c] · state · kept` where the mask
 * is 0 and `· pruned` where it is 1; then `state = state · mask · ratio`.
 */
export function admmRight(
  state: usize,
  target: usize,
  mask: usize,
  scale: usize,
  out: usize,
  rows: usize,
  cols: usize,
  kept: f32,
  pruned: f32,
  ratio: f32,
): void {
  const base = f32x4.splat(kept);
  const change = f32x4.splat(pruned - kept);
  const ratios = f32x4.splat(ratio);
  for (let r: usize = 0; r < rows; r++) {
    let c: usize = 0;
    for (; c + 4 <= cols; c += 4) {
      const bytes = v128.load32_zero(mask + c);
      const wide = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes));
      const masked = f32x4.convert_i32x4_s(wide);
      const value = v128.load(state + (c << 2));
      const factor = f32x4.add(base, f32x4.mul(masked, change));
      const scaled = f32x4.mul(f32x4.mul(v128.load(scale + (c << 2)), value), factor);
      v128.store(out + (c << 2), f32x4.add(v128.load(target + (c << 2)), scaled));
      v128.store(state + (c << 2), f32x4.mul(f32x4.mul(value, masked), ratios));
    }
    for (; c < cols; c++) {
      const masked = <f32>load<u8>(mask + c);
      const value = load<f32>(state + (c << 2));
      const factor = kept + masked * (pruned - kept);
      store<f32>(out + (c << 2), load<f32>(target + (c << 2)) + load<f32>(scale + (c << 2)) * value * factor);
      store<f32>(state + (c << 2), value * masked * ratio);
    }
    state += cols << 2;
    target += cols << 2;
    out += cols << 2;
    mask += cols;
  }
}

/** `state[r, c] += solved[r, c] · scale[c]`, row-major `[rows, cols]`. */
export function addScaled(state: usize, solved: usize, scale: usize, rows: usize, cols: usize): void {
  for (let r: usize = 0; r < rows; r++) {
    let c: usize = 0;
    for (; c + 4 <= cols; c += 4) {
      const added = f32x4.mul(v128.load(solved + (c << 2)), v128.load(scale + (c << 2)));
      v128.store(state + (c << 2), f32x4.add(v128.load(state + (c << 2)), added));
    }
    for (; c < cols; c++) {
      const added = load<f32>(solved + (c << 2)) * load<f32>(scale + (c << 2));
      store<f32>(state + (c << 2), load<f32>(state + (c << 2)) + added);
    }
    state += cols << 2;
    solved += cols << 2;
  }
}

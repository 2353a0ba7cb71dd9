/** @module */

/**
 * One step along a direction, over `n` f32: `x += step · direction` and `residual = (residual − step · image) · kept`.
 * Returns `Σ residual² · inverseDiagonal`, in f64 and in an order that depends on `n` alone.
 */
export function conjugateStep(
  x: usize,
  residual: usize,
  direction: usize,
  image: usize,
  kept: usize,
  inverseDiagonal: usize,
  n: usize,
  step: f32,
): f64 {
  const steps = f32x4.splat(step);
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) {
    const at = i << 2;
    v128.store(x + at, f32x4.add(v128.load(x + at), f32x4.mul(steps, v128.load(direction + at))));
    const left = f32x4.sub(v128.load(residual + at), f32x4.mul(steps, v128.load(image + at)));
    const r = f32x4.mul(left, v128.load(kept + at));
    v128.store(residual + at, r);
    const square = f32x4.mul(f32x4.mul(r, r), v128.load(inverseDiagonal + at));
    low = f64x2.add(low, f64x2.promote_low_f32x4(square));
    high = f64x2.add(
      high,
      f64x2.promote_low_f32x4(
        i8x16.shuffle(square, square, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15),
      ),
    );
  }
  const both = f64x2.add(low, high);
  let sum = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
  for (; i < n; i++) {
    const at = i << 2;
    store<f32>(x + at, load<f32>(x + at) + step * load<f32>(direction + at));
    const r = (load<f32>(residual + at) - step * load<f32>(image + at)) * load<f32>(kept + at);
    store<f32>(residual + at, r);
    sum += <f64>(r * r * load<f32>(inverseDiagonal + at));
  }
  return sum;
}

/** The next direction, over `n` f32: `direction = residual · inverseDiagonal + ratio · direction`. */
export function conjugateDirection(
  direction: usize,
  residual: usize,
  inverseDiagonal: usize,
  n: usize,
  ratio: f32,
): void {
  const ratios = f32x4.splat(ratio);
  let i: usize = 0;
  for (; i + 4 <= n; i += 4) {
    const at = i << 2;
    const steepest = f32x4.mul(v128.load(residual + at), v128.load(inverseDiagonal + at));
    v128.store(direction + at, f32x4.add(steepest, f32x4.mul(ratios, v128.load(direction + at))));
  }
  for (; i < n; i++) {
    const at = i << 2;
    const steepest = load<f32>(residual + at) * load<f32>(inverseDiagonal + at);
    store<f32>(direction + at, steepest + ratio * load<f32>(direction + at));
  }
}

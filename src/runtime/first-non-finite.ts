/**
 * Finds what must never go on.
 * @module
 */

/** Index of the first NaN or ±Inf, or −1. */
export function firstNonFinite(data: Float32Array): number {
  // 0 · x is 0 for every finite x and NaN for others; four sums, because one waits for each addition.
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = data.length - (data.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a += (data[i] as number) * 0;
    b += (data[i + 1] as number) * 0;
    c += (data[i + 2] as number) * 0;
    d += (data[i + 3] as number) * 0;
  }
  for (let i = whole; i < data.length; i++) a += (data[i] as number) * 0;
  return a + b + c + d === 0 ? -1 : data.findIndex((value) => !Number.isFinite(value));
}

/** The two 16-bit float formats by their definitions, in exact arithmetic. @module */

export interface Format {
  readonly mantissaBits: number;
  readonly bias: number;
  /** The bits of +Inf, one above those of the largest finite number. */
  readonly infinity: number;
}

/** The upper half of IEEE 754 binary32. */
export const bf16: Format = { mantissaBits: 7, bias: 127, infinity: 0x7f80 };
/** IEEE 754 binary16. */
export const f16: Format = { mantissaBits: 10, bias: 15, infinity: 0x7c00 };

/** (−1)^sign · 2^(e − bias) · 1.mantissa, or without the 1 at the lowest exponent where e is 0. */
export function numberFrom({ mantissaBits, bias, infinity }: Format, bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1;
  const magnitude = bits % 0x8000;
  const mantissa = magnitude % 2 ** mantissaBits;
  const exponent = Math.floor(magnitude / 2 ** mantissaBits);
  if (magnitude > infinity) return Number.NaN;
  if (magnitude === infinity) return sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits);
  return sign * (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias);
}

/** The finite magnitudes in order of their bits, and after them where the next would be if it weren't Inf. */
export function magnitudes(format: Format): Float64Array {
  const values = Float64Array.from({ length: format.infinity + 1 }, (_, bits) => numberFrom(format, bits));
  values[format.infinity] = 2 * (values[format.infinity - 2 ** format.mantissaBits] as number);
  return values;
}

/** The bits of the number nearest to x, of two equally near the one with even bits: by search, not by shifting. */
export function nearestBits(values: Float64Array, x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(x);
  const last = values.length - 1;
  if (magnitude >= (values[last] as number)) return sign + last;
  let [low, high] = [0, last];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((values[middle] as number) <= magnitude) low = middle;
    else high = middle;
  }
  // Exact wherever the two are near each other, since f32 has 24 bits and f64 has 53.
  const below = magnitude - (values[low] as number);
  const above = (values[high] as number) - magnitude;
  const nearest = below < above || (below === above && low % 2 === 0) ? low : high;
  return sign + nearest;
}

/**
 * Finds what must never go on.
 * @module
 */

/** Index of the first NaN or ±Inf, or −1. */
export function firstNonFinite(data: Float32Array): number {
  let poison = 0;
  for (let i = 0; i < data.length; i++) poison += (data[i] as number) * 0;
  return poison === 0 ? -1 : data.findIndex((value) => !Number.isFinite(value));
}

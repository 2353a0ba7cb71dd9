/** Selection by sorting, and inputs for it. @module */
import fc from 'fast-check';

/** 1 on the k smallest, of equal ones the lowest index first. */
export function smallest(scores: ArrayLike<number>, k: number): Uint8Array {
  const order = Array.from(scores, (_, i) => i);
  order.sort((a, b) => (scores[a] as number) - (scores[b] as number) || a - b);
  const mask = new Uint8Array(scores.length);
  for (const i of order.slice(0, k)) mask[i] = 1;
  return mask;
}

/** Few different values, some of which share the upper half or all but the last bit of their patterns. */
const tied = fc.constantFrom(
  ...[0, 2 ** -149, 2 ** -148, 2 ** -126, 1, 1 + 2 ** -23, 1 + 2 ** -22, 1 + 2 ** -10, 1.5, 2 - 2 ** -23, 2],
  ...[3.4028234663852886e38, 3.402823261562059e38],
);
const any = fc.float({ min: 0, noNaN: true, noDefaultInfinity: true });

/** `length` non-negative f32: all from few values, all different, or all equal. */
export function scoresOf(length: number): fc.Arbitrary<Float32Array<ArrayBuffer>> {
  const arrayOf = (value: fc.Arbitrary<number>) => fc.array(value, { minLength: length, maxLength: length });
  return fc
    .oneof(
      arrayOf(tied),
      arrayOf(any),
      arrayOf(fc.oneof(tied, any)),
      tied.map((value) => new Array<number>(length).fill(value)),
    )
    .map((values) => Float32Array.from(values, Math.abs));
}

/** Large f32 arrays compared. @module */
import { expect } from 'vitest';

const bitsOf = ({ buffer, byteOffset, length }: Float32Array) => new Uint32Array(buffer, byteOffset, length);

/**
 * Compares bit for bit, so that −0 that stays is told from +0 that was pruned; `toEqual` tells them apart too, but takes
 * half a second for a hundred thousand numbers.
 */
export function expectSameBits(got: Float32Array, expected: Float32Array): void {
  const [a, b] = [bitsOf(got), bitsOf(expected)];
  expect(a.length).toBe(b.length);
  const different: number[] = [];
  for (let i = 0; i < a.length && different.length < 10; i++) if (a[i] !== b[i]) different.push(i);
  expect(different).toEqual([]);
}

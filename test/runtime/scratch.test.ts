import koffi from 'koffi';
import { describe, expect, it } from 'vitest';
import { scratch } from '../../src/runtime/scratch.js';

const address = (data: Float32Array) => BigInt(koffi.address(data.buffer)) + BigInt(data.byteOffset);

describe('scratch', () => {
  it.each([1, 100, 40_000, 2_000_000])('begins with a cache line (%i elements)', (length) => {
    const data = scratch(`of ${length}`, length);
    expect(data.length).toBe(length);
    expect(address(data) % 64n).toBe(0n);
  });

  it('is the same memory until more is asked for', () => {
    const small = scratch('grows', 10);
    expect(address(scratch('grows', 7))).toBe(address(small));
    expect(scratch('grows', 11).length).toBe(11);
    expect(address(scratch('grows', 10))).not.toBe(address(small));
    expect(address(scratch('another', 10))).not.toBe(address(scratch('grows', 10)));
  });
});

import { describe, expect, it } from 'vitest';
import { loadKernels } from '../../src/runtime/kernels.js';

describe('Arena', () => {
  it('hands out places at the start of cache lines that do not overlap', () => {
    const { arena } = loadKernels();
    let end = 0;
    for (const bytes of [1, 16, 17, 0, 100, 3]) {
      const place = arena.allocate(bytes);
      expect(place % 64).toBe(0);
      expect(place).toBeGreaterThanOrEqual(end);
      end = place + bytes;
    }
  });

  it('grows its memory and keeps what was there', () => {
    const kernels = loadKernels();
    const first = kernels.arena.allocate(8);
    kernels.u8(first, 8).fill(5);
    const bytes = 30_000_000;
    const large = kernels.arena.allocate(bytes);
    kernels.u8(large, bytes).fill(1);
    expect([...kernels.u8(first, 8)]).toEqual(new Array(8).fill(5));
  });

  it('starts again after a reset, and takes back what was borrowed', () => {
    const { arena } = loadKernels();
    const first = arena.allocate(100);
    const borrowed = arena.borrow(50, (place) => place);
    expect(arena.allocate(10)).toBe(borrowed);
    expect(() => arena.borrow(10, () => expect.fail('from inside'))).toThrow('from inside');
    expect(arena.allocate(10)).toBe(borrowed + 64);
    arena.reset();
    expect(arena.allocate(1)).toBe(first);
  });

  it('fails when the module can have no more', () => {
    const { arena } = loadKernels();
    expect(() => arena.allocate(2 ** 31)).toThrow(RangeError);
  });

  it('belongs to one instance alone', () => {
    const [a, b] = [loadKernels(), loadKernels()];
    const place = a.arena.allocate(4);
    a.u8(place, 4).fill(9);
    expect([...b.u8(b.arena.allocate(4), 4)]).toEqual([0, 0, 0, 0]);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findNonFinite } from '../../src/forward/check-finite-task.js';

const folder = mkdtempSync(join(tmpdir(), 'secateur-finite-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** More than is looked at at a time. */
const ELEMENTS = 150_001;
const HEADER = 6;

describe.each([
  { dtype: 'BF16' as const, size: 2, one: 0x3f80, infinity: 0x7f80, negative: 0xff80, nan: 0xffff },
  { dtype: 'F16' as const, size: 2, one: 0x3c00, infinity: 0x7c00, negative: 0xfc00, nan: 0x7e00 },
  {
    dtype: 'F32' as const,
    size: 4,
    one: 0x3f80_0000,
    infinity: 0x7f80_0000,
    negative: 0xff80_0000,
    nan: 0x7f80_0001,
  },
])('findNonFinite of $dtype', ({ dtype, size, one, infinity, negative, nan }) => {
  const check = (special: Readonly<Record<number, number>>) => {
    const path = join(folder, `${dtype}-${Object.entries(special).flat().join('-')}`);
    const bits = (size === 2 ? new Uint16Array(ELEMENTS) : new Uint32Array(ELEMENTS)).fill(one);
    for (const [at, value] of Object.entries(special)) bits[Number(at)] = value;
    writeFileSync(path, Buffer.concat([Buffer.alloc(HEADER, 0xff), new Uint8Array(bits.buffer)]));
    return findNonFinite({ file: path, offset: HEADER, dtype, elements: ELEMENTS - 1 });
  };

  it('finds nothing among finite values, nor behind the end', () => {
    expect(check({ [ELEMENTS - 1]: nan })).toBeUndefined();
  });

  it('gives the first index and its value', () => {
    expect(check({ 0: infinity, 7: nan })).toEqual({ index: 0, value: Number.POSITIVE_INFINITY });
    expect(check({ 131073: negative, 140000: nan })).toEqual({
      index: 131_073,
      value: Number.NEGATIVE_INFINITY,
    });
    expect(check({ [ELEMENTS - 2]: nan })).toEqual({ index: ELEMENTS - 2, value: Number.NaN });
  });
});

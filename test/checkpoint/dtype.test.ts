import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bitsOf, DTYPES, isDtype, tensorBytes } from '../../src/checkpoint/dtype.js';

describe('dtypes', () => {
  it('are the 22 of the format', () => {
    expect([...DTYPES].sort()).toEqual(
      (
        'BF16 BOOL C64 F16 F32 F4 F64 F6_E2M3 F6_E3M2 F8_E4M3 F8_E4M3FNUZ F8_E5M2 F8_E5M2FNUZ F8_E8M0 ' +
        'I16 I32 I64 I8 U16 U32 U64 U8'
      ).split(' '),
    );
  });

  it('have the width that their name says', () => {
    for (const dtype of DTYPES)
      expect(bitsOf(dtype), dtype).toBe(dtype === 'BOOL' ? 8 : Number(/^[A-Z]+(\d+)/.exec(dtype)?.[1]));
  });

  it('are recognised by exact spelling, inherited property names not among them', () => {
    for (const name of ['f32', 'F32 ', '', 'constructor', '__proto__', 'toString'])
      expect(isDtype(name)).toBe(false);
    expect(isDtype('BF16')).toBe(true);
  });
});

describe('tensorBytes', () => {
  it('multiplies small shapes as BigInt does', () => {
    fc.assert(
      fc.property(fc.constantFrom(...DTYPES), fc.array(fc.nat(2000), { maxLength: 4 }), (dtype, shape) => {
        const bits = shape.reduce((product, size) => product * BigInt(size), 1n) * BigInt(bitsOf(dtype));
        expect(tensorBytes(dtype, shape)).toEqual(
          bits % 8n === 0n ? { bytes: Number(bits / 8n) } : { error: 'not whole bytes' },
        );
      }),
    );
  });

  it('overflows at 64 bits, from left to right', () => {
    expect(tensorBytes('U8', [2 ** 52, 2 ** 12, 0])).toEqual({ error: 'overflow' });
    expect(tensorBytes('U8', [0, 2 ** 52, 2 ** 12])).toEqual({ bytes: 0 });
    expect(tensorBytes('F64', [2 ** 48, 2 ** 15])).toEqual({ error: 'overflow' });
    expect(tensorBytes('U8', [2 ** 52])).toEqual({ bytes: 2 ** 52 });
    expect(tensorBytes('U8', [2 ** 53])).toEqual({ error: 'overflow' });
  });
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { partsOf } from '../../src/runtime/parts.js';

it('parts hold every item once, in order, and as many as they may but for the last', () => {
  fc.assert(
    fc.property(fc.nat(300), fc.integer({ min: 1, max: 40 }), (items, most) => {
      const parts = partsOf(items, most);
      const held = parts.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
      expect(held).toEqual([...Array(items).keys()]);
      for (const { count } of parts.slice(0, -1)) expect(count).toBe(most);
      for (const { count } of parts) expect(count).toBeGreaterThan(0);
    }),
  );
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InOrder } from '../../src/statistics/in-order.js';

it('takes each item as soon as all before it have come, in whatever order they come', () => {
  const orders = fc
    .nat(12)
    .chain((size) => fc.shuffledSubarray([...Array(size).keys()], { minLength: size, maxLength: size }));
  fc.assert(
    fc.property(orders, (order) => {
      const taken: number[] = [];
      const inOrder = new InOrder<{ readonly index: number }>(({ index }) => taken.push(index));
      for (const [count, index] of order.entries()) {
        inOrder.put(index, { index });
        const come = new Set(order.slice(0, count + 1));
        const missing = [...Array(order.length + 1).keys()].findIndex((each) => !come.has(each));
        expect(taken).toEqual([...Array(missing).keys()]);
      }
    }),
  );
});

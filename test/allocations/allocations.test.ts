import { afterAll, expect, it } from 'vitest';
import { allocationByName, allocations } from '../../src/pipeline/allocations/allocation-registry.js';
import { magnitudeCut } from '../../src/pipeline/allocations/magnitude-cut.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { describeAllocation } from './conformance.js';

const pools = [new WorkerPool(1), new WorkerPool(3)] as const;
afterAll(() => Promise.all(pools.map((pool) => pool.close())));

/** Beside the defaults. */
const others: Readonly<Record<string, readonly object[]>> = {
  owl: [{ lambda: 0.3, outlier: 2 }],
  alpha: [
    { average: 'linear', epsilon: 0.1 },
    { tail: 'middle', epsilon: 0.6 },
  ],
  loss: [{ bound: 1 }, { bound: 0.05, probes: [0.2, 0.5] }],
  global: [
    { bound: 1 },
    { among: 'block', standardise: 'norm' },
    { score: 'magnitude', standardise: 'none' },
  ],
};

for (const allocation of allocations) {
  for (const [i, given] of [{}, ...(others[allocation.name] ?? [])].entries()) {
    const name = `${allocation.name} ${JSON.stringify(given)}`;
    const options = allocation.options.parse(given);
    // Once with several workers, for which it takes large matrices.
    describeAllocation({ name, allocation, options }, i === 0 ? pools : [pools[0]]);
  }
}
for (const scope of ['model', 'block']) {
  describeAllocation(
    { name: `magnitude at scope ${scope}`, allocation: magnitudeCut, options: { scope } },
    pools,
  );
}
describeAllocation(
  {
    name: 'magnitude with a threshold',
    allocation: magnitudeCut,
    options: { threshold: 0.7 },
    isOpen: true,
  },
  pools,
);

it('the registry finds every allocation by its own name, and only once', () => {
  for (const allocation of allocations) expect(allocationByName(allocation.name)).toBe(allocation);
  expect(new Set(allocations.map(({ name }) => name)).size).toBe(allocations.length);
  expect(() => allocationByName('owls')).toThrow('no allocation owls');
});

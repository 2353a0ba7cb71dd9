/**
 * The same sparsity for every linear.
 * @module
 */
import { z } from 'zod';
import { type Allocation, NO_ALLOCATION_WORK } from './allocation.js';

export const uniform: Allocation = {
  name: 'uniform',
  options: z.strictObject({}).describe('Every linear gets the same sparsity.'),
  looks: false,
  windows: () => 0,
  spread: () => 0,
  share: async (_pool, { linears, goal = 0 }) => ({
    sparsities: linears.map(() => goal),
    isExact: false,
  }),
  work: () => NO_ALLOCATION_WORK,
};

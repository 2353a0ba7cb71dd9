/**
 * The same sparsity for every linear.
 * @module
 */
import { z } from 'zod';
import type { Allocation } from './allocation.js';

export const uniform: Allocation = {
  name: 'uniform',
  options: z.strictObject({}).describe('Every linear gets the same sparsity.'),
  windows: () => 0,
  measure: async (_pool, linears) => linears.map(() => 0),
  share: (goal, linears) => linears.map(() => goal),
};

/**
 * The methods by the names that run files use.
 * @module
 */
import { z } from 'zod';
import { createRunSchema } from '../../config/run-schema.js';
import { magnitude } from '../../scores/magnitude.js';
import { wanda } from '../../scores/wanda.js';
import type { Method } from './method.js';
import { scoreMethod } from './score-method.js';
import { sparseGptMethod } from './sparsegpt-method.js';

export const methods: readonly Method[] = [
  scoreMethod(magnitude, 'Magnitude: the smallest weights of the matrix go.'),
  scoreMethod(wanda, 'Wanda: in every row, the smallest |weight| · input norm go.'),
  sparseGptMethod,
];

/** How a run file's sparsity may be shared among the layers. */
const allocations = { uniform: z.strictObject({}).describe('Every linear gets the same sparsity.') };

/** The schema of `run.yaml` with every method and allocation there is. */
export const runSchema = createRunSchema({
  methods: Object.fromEntries(methods.map(({ name, options }) => [name, options])),
  allocations,
});

export function methodByName(name: string): Method {
  const method = methods.find((candidate) => candidate.name === name);
  if (!method) throw new Error(`no method ${name}`);
  return method;
}

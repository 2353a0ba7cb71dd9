/**
 * Options that several methods have.
 * @module
 */
import { z } from 'zod';

export const damping = z
  .number()
  .positive()
  .max(1e6)
  .default(0.01)
  .describe('Added to the diagonal of the Hessian, as a fraction of its mean.');

/** How many steps an iterative method may take. */
export function steps(byDefault: number, description: string) {
  return z.int().min(0).max(10_000).default(byDefault).describe(description);
}

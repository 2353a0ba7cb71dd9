/**
 * Options that several methods have.
 * @module
 */
import { z } from 'zod';

/** @param of what the damping is a fraction of */
export function damping(byDefault = 0.01, of = 'its mean') {
  return z
    .number()
    .positive()
    .max(1e6)
    .default(byDefault)
    .describe(`Added to the diagonal of the Hessian, as a fraction of ${of}.`);
}

/** How many steps an iterative method may take. */
export function steps(byDefault: number, description: string) {
  return z.int().min(0).max(10_000).default(byDefault).describe(description);
}

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

/**
 * How much of a window blocks are differentiated over.
 *
 * @param where when it matters, for the description
 */
export function gradientTokens(where = '') {
  return z
    .int()
    .min(2)
    .default(2048)
    .describe(
      `Tokens of each window, from its first, whose gradients count${where}; at most as many as there are.`,
    );
}

/** How many steps an iterative method may take. */
export function steps(byDefault: number, description: string, least = 0) {
  return z.int().min(least).max(10_000).default(byDefault).describe(description);
}

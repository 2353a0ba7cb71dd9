/**
 * The allocations by the names that run files use.
 * @module
 */
import type { Allocation } from './allocation.js';
import { alpha } from './alpha.js';
import { global } from './global.js';
import { loss } from './loss.js';
import { owl } from './owl.js';
import { uniform } from './uniform.js';

export const allocations: readonly Allocation[] = [uniform, owl, alpha, loss, global];

export function allocationByName(name: string): Allocation {
  const allocation = allocations.find((candidate) => candidate.name === name);
  if (!allocation) throw new Error(`no allocation ${name}`);
  return allocation;
}

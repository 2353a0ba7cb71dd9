/**
 * The output folder of a comparison: what may be there before, and who may write into it.
 * @module
 */
import { basename } from 'node:path';
import { type LockedFolder, lockOutput, requireOwnFolder } from '../pipeline/output/output-folder.js';
import { comparisonFiles } from './comparison-files.js';

/**
 * @param output absolute
 * @param model folder of the model
 * @throws RequestError when the folder is the model's, lies inside it, or holds something that isn't ours
 */
export function checkComparisonFolder(output: string, model: string): void {
  const { json, lock } = comparisonFiles(output);
  // The lock of a comparison that was killed stays.
  requireOwnFolder(output, model, [basename(json), basename(lock)]);
}

/**
 * Makes the folder where it is missing and keeps other comparisons out of it.
 *
 * @param output absolute; `checkComparisonFolder` has nothing against it
 * @throws RequestError naming the process that has it, or when it can't be made or written
 */
export function claimComparisonFolder(output: string): LockedFolder {
  return lockOutput(output, comparisonFiles(output).lock, 'comparison');
}

/**
 * Where a comparison lies inside its output folder.
 * @module
 */
import { join } from 'node:path';

export interface ComparisonFiles {
  readonly json: string;
  readonly html: string;
  /** Locked while `compare` works there. */
  readonly lock: string;
  /** Folder of the runs' run files. */
  readonly runs: string;
  /** Folder of what runs share while they are under way. */
  readonly shared: string;
}

export function comparisonFiles(output: string): ComparisonFiles {
  return {
    json: join(output, 'compare.json'),
    html: join(output, 'compare.html'),
    lock: join(output, 'compare.lock'),
    runs: join(output, 'runs'),
    shared: join(output, 'shared'),
  };
}

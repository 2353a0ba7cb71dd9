/**
 * Scores, mask choice and masking of one matrix.
 * @module
 */
import { scoreByName } from '../../dist/scores/score-registry.js';
import { pruneByScore } from '../../dist/sparsity/prune-by-score.js';
import { fillRandom, withMatrices } from '../lib/native-matrices.mjs';
import { readIn } from '../lib/reference.mjs';

export const about = 'masks of 4096 × 11008 weights chosen and applied : reading them once';

const ROWS = 4096;
const COLUMNS = 11008;
const BYTES = ROWS * COLUMNS * 4;
/** @typedef {import('../../dist/sparsity/pattern.js').Pattern} Pattern */
/** @type {Pattern} */
const unstructured = { kind: 'unstructured', sparsity: 0.5 };
/** @returns {Pattern} */
const nOfM = (keep, of) => ({ kind: 'n:m', keep, of });

const CASES = [
  { name: 'magnitude 50 %', score: 'magnitude', pattern: unstructured },
  { name: 'magnitude 2:4', score: 'magnitude', pattern: nOfM(2, 4) },
  { name: 'magnitude 4:8', score: 'magnitude', pattern: nOfM(4, 8) },
  { name: 'magnitude 16:32', score: 'magnitude', pattern: nOfM(16, 32) },
  { name: 'magnitude 64:128', score: 'magnitude', pattern: nOfM(64, 128) },
  { name: 'wanda 50 % of every row', score: 'wanda', pattern: unstructured },
  { name: 'wanda 2:4', score: 'wanda', pattern: nOfM(2, 4) },
];

export async function* rows({ compare, pools }) {
  const pool = pools.at(-1);
  const columnNorms = Float32Array.from({ length: COLUMNS }, (_, j) => 1 + (j % 97) / 10);
  for (const { name, score, pattern } of CASES) {
    yield await withMatrices(async (matrices) => {
      const { address } = matrices.random(ROWS, COLUMNS);
      const weights = { address, shape: [ROWS, COLUMNS] };
      const comparison = await compare({
        prepare: () => fillRandom(address, ROWS * COLUMNS),
        part: () => pruneByScore(pool, scoreByName(score), { name, weights, columnNorms, pattern }),
        limit: () => readIn(pool, address, BYTES),
      });
      const speed = BYTES / 1e9 / comparison.seconds.median;
      return { name: `${name} (${speed.toFixed(1)} GB/s)`, ...comparison };
    });
  }
}

/**
 * q, k and v in one tensor, head by head.
 * @module
 */
import type { AttentionOptions } from './attention.js';
import type { LinearPart } from './part.js';
import { runsOf } from './placement.js';
import type { AttentionSizes } from './rope-decoder.js';

/**
 * The three projections out of a tensor whose rows are, for each key/value head, those of its query heads, then its key, then
 * its value.
 *
 * @param name of the stored linear
 */
export function interleavedProjections(
  name: string,
  { hidden, heads, keyValueHeads, headDim }: AttentionSizes,
  { bias, inputGroup }: { readonly bias: boolean; readonly inputGroup: string },
): Pick<AttentionOptions, 'query' | 'key' | 'value'> {
  const queries = (heads / keyValueHeads) * headDim;
  const step = queries + 2 * headDim;
  const rows = keyValueHeads * step;
  const part = (own: string, first: number, run: number): LinearPart => ({
    name: `${name}.${own}`,
    out: keyValueHeads * run,
    in: hidden,
    inputGroup,
    bias,
    stored: {
      weight: runsOf(`${name}.weight`, [rows, hidden], { first, run, step }),
      bias: runsOf(`${name}.bias`, [rows], { first, run, step }),
    },
  });
  return {
    query: part('query', 0, queries),
    key: part('key', queries, headDim),
    value: part('value', queries + headDim, headDim),
  };
}

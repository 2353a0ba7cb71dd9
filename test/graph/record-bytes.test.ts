/** What a window's record holds while attention is pruned in part, in every family. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { planPasses, RANGE_TOKENS } from '../../src/graph/block-passes.js';
import type { BlockDescription } from '../../src/model/description.js';
import { ATTENTION_OUTPUT } from '../../src/model/parts/input-groups.js';
import { describedModel } from '../support/golden-model.js';

const golden = fileURLToPath(new URL('../golden/families', import.meta.url));

/** Every choice of the linears that attention attends with. */
function choices({ linears }: BlockDescription): Set<string>[] {
  const end = linears.findIndex(({ inputGroup }) => inputGroup === ATTENTION_OUTPUT);
  const names = linears.slice(0, end).map(({ name }) => name);
  return Array.from({ length: 2 ** end }, (_, bits) => new Set(names.filter((_, i) => (bits >> i) & 1)));
}

describe.each(readdirSync(golden).sort())('%s', (name) => {
  it('has records that grow with the tokens, and no faster', async () => {
    const { model } = await describedModel(join(golden, name));
    for (const block of new Map(model.blocks.map((block) => [block.graphKey, block])).values()) {
      for (const pruned of choices(block)) {
        const bytes = (tokens: number) => planPasses(block, tokens, pruned, 'pruned').recordBytes;
        // Longer windows than that are divided, and carry more.
        for (const tokens of [RANGE_TOKENS / 2, RANGE_TOKENS + 64]) {
          expect(bytes(2 * tokens), `${block.graphKey}: ${[...pruned]}`).toBe(2 * bytes(tokens));
        }
      }
    }
  });
});

/** Zeros that a source has in linears that stay dense: counted in the written file like those of the others. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { type PruneResult, prune } from '../../src/index.js';
import { makeFamilyModel } from '../support/family-model.js';
import { describedModel } from '../support/golden-model.js';
import { isPrunedBlock, pruneUntil } from '../support/prune-until.js';
import { BLOCK_WEIGHTS, quickstartRuns } from '../support/quickstart-runs.js';
import { uniform } from '../support/random.js';

const { runFile, newPath, shallow, text } = quickstartRuns();
const golden = fileURLToPath(new URL('../golden', import.meta.url));

const SIZES: Record<string, number> = { F32: 4, BF16: 2, F16: 2, F8_E4M3: 1 };

/** Copies a checkpoint with a part of the weights of its matrices, each its own, set to zero. */
function withZeros(from: string): string {
  const to = newPath('zeros');
  cpSync(from, to, { recursive: true });
  const path = join(to, 'model.safetensors');
  const bytes = readFileSync(path);
  const next = uniform(7);
  for (const [name, { dtype, shape, offset, bytes: length }] of readSafetensorsHeader(path).tensors) {
    const size = SIZES[dtype];
    if (!size || shape.length < 2 || /embed|wte|lm_head|scale/.test(name)) continue;
    const share = 0.2 + 0.4 * next();
    for (let at = offset; at < offset + length; at += size) {
      if (next() < share) bytes.fill(0, at, at + size);
    }
  }
  writeFileSync(path, bytes);
  return to;
}

/** Zeros of every linear, in the values or codes of the written shards. */
async function zerosIn(output: string): Promise<(linear: string) => number> {
  const { named } = await describedModel(output);
  const shards = readdirSync(output).filter((name) => name.endsWith('.safetensors'));
  const weight = named(...shards);
  const codes = new Map(
    shards.flatMap((shard) => {
      const bytes = readFileSync(join(output, shard));
      return [...readSafetensorsHeader(join(output, shard)).tensors]
        .filter(([, { dtype }]) => dtype === 'F8_E4M3')
        .map(([name, { offset, bytes: length }]) => [name, bytes.subarray(offset, offset + length)] as const);
    }),
  );
  return (linear) => {
    const name = `${linear}.weight`;
    // Code 0x80 is −0.
    return codes.get(name)?.filter((code) => code % 128 === 0).length ?? zerosOf(weight(name));
  };
}

function zerosOf(values: Float32Array): number {
  return values.filter((value) => value === 0).length;
}

async function expectCounted({ output, report }: PruneResult): Promise<void> {
  const written = await zerosIn(output);
  const { layers, totals } = report;
  const found = Object.fromEntries(layers.map(({ name }) => [name, written(name)]));
  expect(Object.fromEntries(layers.map(({ name, zeros }) => [name, zeros]))).toEqual(found);
  for (const { sparsity, zeros, numel } of layers) expect(sparsity).toBe(zeros / numel);
  const zeros = Object.values(found).reduce((sum, count) => sum + count, 0);
  expect(totals).toMatchObject({ zeros, sparsity: zeros / totals.prunable });
  const dense = layers.filter(({ pattern }) => pattern === 'dense');
  expect(dense.length).toBeGreaterThan(0);
  expect(dense.every((layer) => layer.zeros > 0 && layer.method === 'dense' && layer.target === 0)).toBe(
    true,
  );
}

describe.each(['magnitude', 'wanda'])('%s', (method) => {
  const goal = `{method: ${method}, sparsity: 0.7, rules: [{match: "*mlp*", keep: dense}]}`;

  it('counts them in the report, in the sums and in what progress says', async () => {
    const summaries: number[] = [];
    const result = await prune(runFile({ model: withZeros(shallow), prune: goal }).path, {
      onProgress: (event) => {
        if (isPrunedBlock(event) && event.kind === 'block') summaries.push(event.sparsity ?? -1);
      },
    });
    await expectCounted(result);
    const { layers, totals } = result.report;
    const { dense, effective } = totals.macs_per_token;
    expect(dense - effective).toBe(totals.zeros);
    expect(summaries).toEqual(
      [0, 1].map(
        (block) =>
          layers.filter((layer) => layer.block === block).reduce((sum, { zeros }) => sum + zeros, 0) /
          BLOCK_WEIGHTS,
      ),
    );
  });

  it('counts them when the run is resumed', async () => {
    const model = withZeros(shallow);
    const { path } = runFile({ model, prune: goal });
    await pruneUntil(path, isPrunedBlock);
    const resumed = await prune(path);
    await expectCounted(resumed);
  });

  it.each([
    ['gpt2', '{match: "*.c_attn.k", keep: dense}, {match: "*.c_proj", keep: dense}'],
    ['gpt_oss', '{match: "*.up_proj", keep: dense}, {match: "*.0.down_proj", keep: dense}'],
    ['qwen3-moe', '{match: "*.experts.1.*", keep: dense}, {match: "*.0.self_attn.*", keep: dense}'],
  ])('counts them in %s, of experts and parts of tensors', async (family, rules) => {
    const dense = newPath(family);
    makeFamilyModel(family, dense);
    const { path } = runFile({
      model: withZeros(dense),
      calibration: `{data: ${text}, samples: 6, sequence_length: 64, experts: {fallback: magnitude}}`,
      prune: `{method: ${method}, sparsity: 0.7, rules: [${rules}]}`,
    });
    await expectCounted(await prune(path));
  });
});

it('counts them where every linear stays dense', async () => {
  const { path } = runFile({
    model: withZeros(shallow),
    prune: '{method: magnitude, sparsity: 0.5, rules: [{match: "*", keep: dense}]}',
  });
  const result = await prune(path);
  await expectCounted(result);
  expect(result.report.layers.every(({ method }) => method === 'dense')).toBe(true);
});

it.each(['auto', 'same'])('counts them in a checkpoint in FP8, written with dtype: %s', async (dtype) => {
  const dense = newPath('fp8');
  cpSync(join(golden, 'quantized/qwen3-fp8'), dense, { recursive: true });
  cpSync(join(golden, 'tiny-tokenizer'), dense, { recursive: true });
  rmSync(join(dense, 'expected.safetensors'));
  const { path } = runFile({
    model: withZeros(dense),
    prune: '{method: magnitude, sparsity: 0.7, rules: [{match: "*mlp*", keep: dense}]}',
    rest: `write: {dtype: ${dtype}}`,
  });
  await expectCounted(await prune(path));
});

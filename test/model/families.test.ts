/** Every family against transformers, on random tiny checkpoints (scripts/golden/make-families.py). */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { checkpointModel } from '../../src/forward/checkpoint-model.js';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import { ModelStream } from '../../src/forward/model-stream.js';
import { buildBlock, HIDDEN_INPUT } from '../../src/graph/block-scope.js';
import { elementCount } from '../../src/graph/value.js';
import { describedTensors, storedName } from '../../src/model/check-tensors.js';
import { type TensorDescription, unitsOf } from '../../src/model/description.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { collectGradients } from '../../src/statistics/collect-gradients.js';
import { float32View } from '../../src/system/native-memory.js';
import { evaluator } from '../support/evaluate-graph.js';
import { crossEntropyOf, logitsOf } from '../support/golden-logits.js';
import { goldenModel } from '../support/golden-model.js';
import { largestDifference } from '../support/largest-difference.js';
import { relativeError } from '../support/relative-error.js';

/** Or others, made by the same script. */
const golden =
  process.env.SECATEUR_GOLDEN_FAMILIES ?? fileURLToPath(new URL('../golden/families', import.meta.url));
/** Of 96: three slices of the vocabulary, the last of another size. */
const HEAD_ROWS = 40;
const pool = new WorkerPool(1);
const scratch = mkdtempSync(join(tmpdir(), 'secateur-families-'));
afterAll(async () => {
  await pool.close();
  rmSync(scratch, { recursive: true });
});

declare module 'vitest' {
  interface TaskMeta {
    /** For the table of docs/models.md: the largest difference of a logit, and the largest relative error of a gradient. */
    errors?: { logits: number; gradients: number };
  }
}

/** Indices within the stored tensor of a part's elements. */
function storedElements({ shape, stored }: TensorDescription): number[] {
  const [rows = 0, columns = 1] = shape;
  if (!stored) return [];
  const { offset, run, runStride, rowStride, columnStride } = stored;
  return Array.from({ length: rows * columns }, (_, index) => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    return offset + Math.floor(row / run) * runStride + (row % run) * rowStride + column * columnStride;
  });
}

describe.each(readdirSync(golden).sort())('%s', (name) => {
  it('gives the states, logits and gradients of transformers', async ({ task }) => {
    const folder = join(golden, name);
    const own = await goldenModel(folder);
    const { model, ids, gradient, expected } = own;
    const { locate } = checkpointModel(await openCheckpoint(folder));
    const tokens = ids.length;
    const stream = new ModelStream(model, pool, 32, HEAD_ROWS);
    const record = stream.recordBytes(tokens);
    const hidden = new HiddenStates(join(scratch, `${name}.hidden`), 1, tokens, model.hiddenSize, record);
    const read = (states: HiddenStates, features = model.hiddenSize) => {
      const bytes = readFileSync(states.path).subarray(0, tokens * features * 4);
      return new Float32Array(new Uint8Array(bytes).buffer);
    };

    await stream.embed(hidden, ids, locate);
    expect(largestDifference(read(hidden), expected('embeddings'))).toBeLessThan(1e-5);
    for (const [index, block] of model.blocks.entries()) {
      await stream.runBlock(block, await stream.loadBlock(block, locate), hidden, locate);
      const wanted = expected(`hidden_states.${index}`);
      expect(largestDifference(read(hidden), wanted), `block ${index}`).toBeLessThan(1e-4);
    }
    const [loss] = await stream.crossEntropy(hidden, ids, locate);
    expect(Math.abs((loss as number) - crossEntropyOf(expected('logits'), ids))).toBeLessThan(2e-5);
    const logits = logitsOf(own, read(hidden, model.closing.features));
    const errors = { logits: largestDifference(logits, expected('logits')), gradients: 0 };
    expect(errors.logits).toBeLessThan(2e-4);

    const differentiated: string[] = [];
    await collectGradients({
      stream,
      pool,
      locate,
      tokens: ids,
      sequenceLength: tokens,
      folder: mkdtempSync(join(scratch, 'gradients-')),
      linears: (unit) => unit.linears.map((linear) => linear.name),
      onBlock({ prefix }, sums) {
        for (const [linear, { sum }] of sums) {
          const { address, shape } = sum;
          const wanted = gradient(`${prefix}${linear}.weight`);
          const actual = float32View(address, elementCount(shape));
          // An expert that no token goes to has a gradient of zeros.
          const error = wanted.some((value) => value !== 0)
            ? relativeError(actual, wanted)
            : largestDifference(actual, wanted);
          expect(error, prefix + linear).toBeLessThan(1e-3);
          errors.gradients = Math.max(errors.gradients, error);
          differentiated.push(prefix + linear);
        }
      },
    });
    const linears = model.blocks
      .flatMap(unitsOf)
      .flatMap((unit) => unit.linears.map((l) => unit.prefix + l.name));
    expect(differentiated.toSorted()).toEqual(linears.toSorted());
    stream.dispose();
    task.meta.errors = errors;
  });

  it('has experts whose linears read zeros of rows that are no tokens', async () => {
    const { model, weight } = await goldenModel(join(golden, name));
    for (const unit of model.blocks.flatMap(({ experts }) => experts?.units ?? [])) {
      const { graph, linears } = buildBlock(unit, 2);
      for (const linear of linears) graph.output(`input of ${linear.name}`, linear.input);
      const rows = new Float32Array(2 * unit.hiddenSize).fill(0.5, unit.hiddenSize);
      const weights = unit.tensors.map((tensor) => [tensor.name, weight(unit.prefix + tensor.name)] as const);
      const inputs = evaluator(graph.build())({ ...Object.fromEntries(weights), [HIDDEN_INPUT]: rows });
      for (const input of Object.values(inputs)) {
        const [padding, token] = [input.slice(0, input.length / 2), input.slice(input.length / 2)];
        expect(padding.every((value) => value === 0)).toBe(true);
        expect(token.some((value) => value !== 0)).toBe(true);
      }
    }
  });

  it('describes linears that its tensors and groups agree with', async () => {
    const { model } = await goldenModel(join(golden, name));
    for (const block of model.blocks.flatMap(unitsOf)) {
      for (const { name: linear, out, in: columns, inputGroup } of block.linears) {
        const tensor = block.tensors.find((each) => each.name === `${linear}.weight`);
        expect(tensor?.shape).toEqual([out, columns]);
        const sizes = block.linears.filter((each) => each.inputGroup === inputGroup).map((each) => each.in);
        expect(new Set(sizes).size).toBe(1);
      }
    }
    // Parts of a stored tensor cover every element once.
    const parts = describedTensors(model).filter(({ stored }) => stored);
    for (const whole of new Set(parts.map(storedName))) {
      const own = parts.filter((part) => storedName(part) === whole);
      const elements = own.flatMap(storedElements).sort((a, b) => a - b);
      expect(elements).toEqual([...Array(elementCount(own[0]?.stored?.shape ?? [])).keys()]);
    }
  });
});

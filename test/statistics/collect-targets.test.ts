/** What linears lack beside the dense model, against two separate forwards. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import { ModelStream } from '../../src/forward/model-stream.js';
import { outputPasses, planPasses, pruningPasses, RANGE_TOKENS } from '../../src/graph/block-passes.js';
import { buildBlock } from '../../src/graph/block-scope.js';
import { targetedAfter } from '../../src/graph/target-ranges.js';
import { describeModel } from '../../src/model/describe-model.js';
import type { BlockDescription } from '../../src/model/description.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { TargetCollector } from '../../src/statistics/collect-targets.js';
import { float32View } from '../../src/system/native-memory.js';
import { evaluator } from '../support/evaluate-graph.js';
import { fillStates } from '../support/fill-states.js';
import { nativeTensor } from '../support/native.js';
import { normals } from '../support/random.js';
import { relativeError } from '../support/relative-error.js';

const hidden = 24;
const model = describeModel(
  {
    model_type: 'llama',
    hidden_size: hidden,
    intermediate_size: 40,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    vocab_size: 16,
    attention_bias: true,
  },
  'config.json',
);
const [block] = model.blocks as [BlockDescription];
const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const dense = Object.fromEntries(
  block.tensors.map(({ name, shape }, index) => [
    name,
    normals(size(shape), index).map((value) => value * 0.3),
  ]),
);
const names = block.linears.map(({ name }) => name);
const half = (values: Float32Array) => values.map((value, i) => (i % 2 === 0 ? 0 : value));
const weightOf = (name: string) => `${name}.weight`;

const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
const pool = new WorkerPool(2);
const stream = new ModelStream(model, pool);
afterAll(async () => {
  stream.dispose();
  await pool.close();
  rmSync(folder, { recursive: true });
});

let files = 0;
function newStates(input: Float32Array, windows: number, tokens: number, recordBytes: number): HiddenStates {
  const states = new HiddenStates(join(folder, `states-${files++}`), windows, tokens, hidden, recordBytes);
  return fillStates(states, input, hidden);
}

/** Inputs and outputs of all linears, the residual stream after attention, and the block's output, of one window. */
function forward(tokens: number) {
  const { graph, hidden: input, output, linears } = buildBlock(block, tokens);
  const after = graph.nodes.find(
    ({ operator, inputs }) =>
      operator === 'Add' &&
      inputs.some((value) => linears.some((call) => call.name.endsWith('o_proj') && call.output === value)),
  );
  for (const call of linears) {
    graph.output(`in ${call.name}`, call.input);
    graph.output(`out ${call.name}`, call.output);
  }
  graph.output('stream', after?.outputs[0] ?? output);
  graph.output('result', output);
  const run = evaluator(graph.build());
  return (weights: Record<string, Float32Array>, states: Float32Array) =>
    run({ ...weights, [input.name]: states });
}

describe.each([
  [3, 20],
  [1, RANGE_TOKENS + 40],
])('of %i windows of %i tokens', (windows, tokens) => {
  it('sums what the residual stream lacks, with what was pruned before it as it was pruned', async () => {
    const passes = planPasses(block, tokens, new Set(names), 'pruned');
    const width = tokens * hidden;
    const input = normals(windows * width, 3);
    const other = normals(windows * width, 4).map((value, i) => (input[i] as number) + 0.2 * value);
    const pruned = newStates(input, windows, tokens, passes.recordBytes);
    const states = newStates(other, windows, tokens, passes.recordBytes);
    const weights = Object.fromEntries(
      block.tensors.map(({ name, shape }) => [name, nativeTensor(dense[name] as Float32Array, shape)]),
    );
    const now: Record<string, Float32Array> = { ...dense };
    const evaluate = forward(tokens);
    const collector = new TargetCollector(pool, stream.graphs, 3);
    const inTurn = pruningPasses(passes);
    await stream.runPasses(passes, inTurn.slice(0, 1), weights, states);
    const seen = new Set<string>();
    for (const [index, pass] of inTurn.entries()) {
      await stream.runPasses(passes, [pass], weights, pruned);
      const linears = targetedAfter(passes, pass);
      const sums = await collector.collect({ passes, pass, weights, pruned, dense: states });
      const next = inTurn[index + 1];
      await stream.runPasses(passes, next ? [next] : outputPasses(passes), weights, states);
      for (const linear of linears) {
        seen.add(linear.name);
        const expected = new Float64Array(linear.out * linear.in);
        for (let window = 0; window < windows; window++) {
          const here = evaluate(now, input.subarray(window * width, (window + 1) * width));
          const there = evaluate(dense, other.subarray(window * width, (window + 1) * width));
          const target = linear.name.endsWith('o_proj') ? 'stream' : 'result';
          const x = here[`in ${linear.name}`] as Float32Array;
          for (let t = 0; t < tokens; t++) {
            for (let i = 0; i < linear.out; i++) {
              const at = t * linear.out + i;
              const lack = (there[target]?.[at] as number) - (here[target]?.[at] as number);
              for (let j = 0; j < linear.in; j++) {
                expected[i * linear.in + j] =
                  (expected[i * linear.in + j] as number) + lack * (x[t * linear.in + j] as number);
              }
            }
          }
        }
        const sum = sums.get(linear.name);
        const actual = float32View(sum?.address ?? 0n, linear.out * linear.in);
        expect(relativeError(actual, expected), linear.name).toBeLessThan(1e-4);
      }
      const known = pass.groups.map(({ name }) => name);
      for (const { name } of block.linears.filter(({ inputGroup }) => known.includes(inputGroup))) {
        now[weightOf(name)] = half(dense[weightOf(name)] as Float32Array);
        const ref = weights[weightOf(name)];
        if (ref) float32View(ref.address, size(ref.shape)).set(now[weightOf(name)] as Float32Array);
      }
    }
    collector.dispose();
    expect([...seen].sort()).toEqual(['mlp.down_proj', 'self_attn.o_proj']);
  });
});

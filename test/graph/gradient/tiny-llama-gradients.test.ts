/** Gradients of random tiny Llamas against PyTorch's autograd (scripts/golden/make-gradient-golden.py). */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../src/checkpoint/checkpoint.js';
import {
  blockGradientGraph,
  HIDDEN_GRADIENT_OUTPUT,
  OUTPUT_GRADIENT_INPUT,
  weightGradientName,
} from '../../../src/graph/block-gradient-graph.js';
import { buildBlock, HIDDEN_INPUT } from '../../../src/graph/block-scope.js';
import {
  HEAD_INPUT,
  HIDDEN_OUTPUT,
  LOG_SUM_EXP_INPUT,
  logitsGradientGraph,
  logitsGraph,
  MAXIMUM_OUTPUT,
  SUM_OUTPUT,
  stageGradientGraph,
  stageGraph,
  TARGET_INPUT,
  TOKEN_WEIGHT_INPUT,
} from '../../../src/graph/logits-graph.js';
import { describeModel } from '../../../src/model/describe-model.js';
import type { BlockDescription, ModelDescription } from '../../../src/model/description.js';
import { type Arrays, evaluator } from '../../support/evaluate-graph.js';
import { relativeError } from '../../support/relative-error.js';
import { readGolden } from '../../support/safetensors.js';

const golden = fileURLToPath(new URL('../../golden/tiny-llama', import.meta.url));

function blockForward(block: BlockDescription, tokens: number) {
  const { graph, output } = buildBlock(block, tokens);
  graph.output(HIDDEN_OUTPUT, output);
  return evaluator(graph.build());
}

/** The gradient of the mean cross-entropy with respect to what the head reads, the vocabulary in slices. */
function headGradient(
  model: ModelDescription,
  hidden: Float32Array,
  head: Float32Array,
  ids: readonly number[],
): Float32Array {
  const { hiddenSize, vocabularySize } = model;
  const tokens = ids.length;
  const slices = [0, 50, 100].map((first, index, all) => {
    const end = all[index + 1] ?? vocabularySize;
    const targets = ids.map((_, i) => (ids[i + 1] ?? 0) - first);
    return { size: end - first, targets, head: head.subarray(first * hiddenSize, end * hiddenSize) };
  });
  const columns = (targets: readonly number[], size: number, outside: number) =>
    BigInt64Array.from(targets, (target) => BigInt(target >= 0 && target < size ? target : outside));
  const sums = new Float64Array(tokens);
  for (const slice of slices) {
    const result = evaluator(logitsGraph(model, tokens, slice.size))({
      [HIDDEN_INPUT]: hidden,
      [HEAD_INPUT]: slice.head,
      [TARGET_INPUT]: columns(slice.targets, slice.size, 0),
    });
    for (let i = 0; i < tokens; i++) {
      const [maximum, sum] = [MAXIMUM_OUTPUT, SUM_OUTPUT].map((name) => result[name]?.[i] ?? 0) as [
        number,
        number,
      ];
      sums[i] = (sums[i] as number) + sum * Math.exp(maximum);
    }
  }
  let gradient = new Float32Array(tokens * hiddenSize);
  for (const slice of slices) {
    const result = evaluator(logitsGradientGraph(model, tokens, slice.size))({
      [HIDDEN_INPUT]: hidden,
      [HEAD_INPUT]: slice.head,
      [TARGET_INPUT]: columns(slice.targets, slice.size, slice.size),
      [LOG_SUM_EXP_INPUT]: Float32Array.from(sums, Math.log),
      [TOKEN_WEIGHT_INPUT]: Float32Array.from(ids, (_, i) => (i < tokens - 1 ? 1 / (tokens - 1) : 0)),
      [OUTPUT_GRADIENT_INPUT]: gradient,
    });
    gradient = result[HIDDEN_GRADIENT_OUTPUT] as Float32Array<ArrayBuffer>;
  }
  return gradient;
}

describe.each(['gqa-tied', 'head-dim-bias', 'rope-llama3', 'rope-linear', 'rope-parameters'])(
  '%s',
  (name) => {
    it('has the gradients of PyTorch', async () => {
      const folder = `${golden}/${name}`;
      const checkpoint = await openCheckpoint(folder);
      const model = describeModel(checkpoint.config, folder);
      const read = (file: string) => {
        const tensors = readGolden(`${folder}/${file}`);
        return (tensor: string) => tensors.get(tensor)?.data as Float32Array;
      };
      const [weight, expected, gradients] = [
        read('model.safetensors'),
        read('expected.safetensors'),
        read('gradients.safetensors'),
      ];
      const ids = Array.from(expected('input_ids') as unknown as BigInt64Array, Number);
      const tokens = ids.length;
      const weightsOf = ({ prefix, tensors }: BlockDescription): Arrays =>
        Object.fromEntries(tensors.map((tensor) => [tensor.name, weight(prefix + tensor.name)]));

      const inputs = [expected('embeddings')];
      for (const block of model.blocks) {
        const result = blockForward(
          block,
          tokens,
        )({ [HIDDEN_INPUT]: inputs.at(-1) as Float32Array, ...weightsOf(block) });
        inputs.push(result[HIDDEN_OUTPUT] as Float32Array);
      }
      const final: Arrays = {
        [HIDDEN_INPUT]: inputs.at(-1) as Float32Array,
        ...Object.fromEntries(model.closing.tensors.map((tensor) => [tensor.name, weight(tensor.name)])),
      };
      const normalised = evaluator(stageGraph(model.closing, tokens, model.hiddenSize))(final)[
        HIDDEN_OUTPUT
      ] as Float32Array;
      const ofHead = headGradient(model, normalised, weight(model.head.name), ids);
      let gradient = evaluator(stageGradientGraph(model.closing, tokens, model.hiddenSize))({
        ...final,
        [OUTPUT_GRADIENT_INPUT]: ofHead,
      })[HIDDEN_GRADIENT_OUTPUT] as Float32Array;
      expect(relativeError(gradient, gradients('final_norm_input'))).toBeLessThan(1e-4);

      for (const [index, block] of [...model.blocks.entries()].reverse()) {
        const linears = block.linears.map((linear) => linear.name);
        const result = evaluator(blockGradientGraph(block, tokens, linears))({
          ...weightsOf(block),
          [HIDDEN_INPUT]: inputs[index] as Float32Array,
          [OUTPUT_GRADIENT_INPUT]: gradient,
        });
        for (const linear of linears) {
          const ofWeight = result[weightGradientName(linear)] as Float32Array;
          expect(relativeError(ofWeight, gradients(`${block.prefix}${linear}.weight`))).toBeLessThan(1e-4);
        }
        gradient = result[HIDDEN_GRADIENT_OUTPUT] as Float32Array;
        expect(relativeError(gradient, gradients(`block_input.${index}`))).toBeLessThan(1e-4);
      }
    });
  },
);

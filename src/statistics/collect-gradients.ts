/**
 * Gradients of the cross-entropy with respect to the weights of a model's linears, summed over windows, one block after
 * the other from the last to the first. The forward goes first and leaves every block's input in a file.
 * @module
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { HiddenStates } from '../forward/hidden-states.js';
import { lossRecordBytes, type ModelStream } from '../forward/model-stream.js';
import type { Locate } from '../forward/model-tensors.js';
import {
  blockGradientGraph,
  HIDDEN_GRADIENT_OUTPUT,
  OUTPUT_GRADIENT_INPUT,
} from '../graph/block-gradient-graph.js';
import { HIDDEN_INPUT } from '../graph/block-scope.js';
import type { BlockDescription } from '../model/description.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { type GradientSums, sumGradients } from './sum-gradients.js';

export interface CollectGradientsOptions {
  readonly stream: ModelStream;
  readonly pool: WorkerPool;
  readonly locate: Locate;
  /** [windows · sequence length] */
  readonly tokens: Int32Array;
  readonly sequenceLength: number;
  /**
   * Where the states are kept meanwhile, in files `gradients-*.hidden`: the inputs of all blocks, and the gradients. Workers
   * keep them open by their names, so that a pool collects once in a folder.
   */
  readonly folder: string;
  /** Whose weights' gradients are wanted: names within the block. */
  linears(block: BlockDescription): readonly string[];
  /** Windows whose gradients may wait in memory; what is summed, and how, doesn't depend on it. */
  readonly mostWindows?: number | undefined;
  /** Told after every window of a block, in the forward and then in the backward. */
  onWindow?(phase: 'forward' | 'backward', block: BlockDescription, done: number): void;
  /** Told the sums of a block, by the linear's name within it, which are valid until it returns. */
  onBlock(block: BlockDescription, sums: ReadonlyMap<string, GradientSums>): void | Promise<void>;
}

/** @throws RunError naming the block or the weight where something isn't finite */
export async function collectGradients(options: CollectGradientsOptions): Promise<void> {
  const { stream, locate, tokens, sequenceLength } = options;
  const { model } = stream;
  const windows = tokens.length / sequenceLength;
  const firstWanted = model.blocks.findIndex((block) => options.linears(block).length > 0);
  if (firstWanted < 0) return;
  const kept: HiddenStates[] = [];
  const newStates = (name: string, recordBytes: number) => {
    const path = join(options.folder, `gradients-${name}.hidden`);
    const states = new HiddenStates(path, windows, sequenceLength, model.hiddenSize, recordBytes);
    kept.push(states);
    return states;
  };
  const inputs: HiddenStates[] = [];
  try {
    let states = newStates('output', stream.recordBytes(sequenceLength));
    await stream.embed(states, tokens, locate);
    for (const [index, block] of model.blocks.entries()) {
      if (index >= firstWanted) {
        inputs[index] = newStates(`input-${index}`, states.recordBytes);
        copyFileSync(states.path, inputs[index].path);
      }
      await stream.propagate(block, await stream.loadBlock(block, locate), states, {
        onWindow: (done) => options.onWindow?.('forward', block, done),
      });
    }
    const gradients = newStates('loss', lossRecordBytes(model, sequenceLength));
    await stream.crossEntropyGradient(states, tokens, locate, gradients);
    states.dispose();
    for (const [index, block] of [...model.blocks.entries()].slice(firstWanted).reverse()) {
      states = inputs[index] as HiddenStates;
      const weights = await stream.loadBlock(block, locate);
      await blockGradients(options, block, weights, states, gradients);
      states.dispose();
    }
  } finally {
    for (const each of kept) each.dispose();
  }
}

/** Takes the gradients with respect to the block's output to those with respect to its input. */
async function blockGradients(
  options: CollectGradientsOptions,
  block: BlockDescription,
  weights: Readonly<Record<string, TensorRef>>,
  states: HiddenStates,
  gradients: HiddenStates,
): Promise<void> {
  const { stream, pool } = options;
  const { windows, tokens, hiddenSize } = states;
  const names = options.linears(block);
  const linears = block.linears.filter(({ name }) => names.includes(name));
  const graph = stream.graphs.get(`gradient ${block.graphKey} ${tokens} ${names.join(' ')}`, () =>
    blockGradientGraph(block, tokens, names),
  );
  const shape = [tokens, hiddenSize];
  await sumGradients({
    pool,
    graphs: stream.graphs,
    block,
    linears,
    windows,
    mostWindows: options.mostWindows,
    task: (window) => ({
      graph,
      weights,
      path: gradients.path,
      record: gradients.offset(window),
      reads: [
        { name: HIDDEN_INPUT, shape, offset: 0, from: { path: states.path, record: states.offset(window) } },
        { name: OUTPUT_GRADIENT_INPUT, shape, offset: 0 },
      ],
      writes: [{ name: HIDDEN_GRADIENT_OUTPUT, shape, offset: 0 }],
      returns: {},
    }),
    onWindow: (done) => options.onWindow?.('backward', block, done),
    onSums: async (sums) => {
      if (sums.size > 0) await options.onBlock(block, sums);
    },
  });
}

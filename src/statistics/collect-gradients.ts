/**
 * Gradients of the cross-entropy with respect to the weights of a model's linears, summed over windows, one block after
 * the other from the last to the first. The forward goes first and leaves every block's input in a file.
 * @module
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { HiddenStates } from '../forward/hidden-states.js';
import { type Locate, lossRecordBytes, type ModelStream } from '../forward/model-stream.js';
import { runWindow } from '../forward/window-task.js';
import {
  blockGradientGraph,
  HIDDEN_GRADIENT_OUTPUT,
  OUTPUT_GRADIENT_INPUT,
  weightGradientName,
} from '../graph/block-gradient-graph.js';
import { HIDDEN_INPUT } from '../graph/block-scope.js';
import { sumGradientsGraph } from '../graph/sum-gradients-graph.js';
import { type BlockDescription, type LinearDescription, weightName } from '../model/description.js';
import { partsOf } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { allocateNative, freeNative } from '../system/native-memory.js';
import { addGradients, type GradientsToAdd } from './gradient-task.js';
import { inBatches } from './in-batches.js';

/** Elements that all windows of a batch are added for at a time: they stay in the processor's cache. */
const PART_ELEMENTS = 65_536;

/** Over the windows, of a linear's weight [out, in], f32. */
export interface GradientSums {
  /** Σ g, g being the gradient of a window's mean cross-entropy. */
  readonly sum: TensorRef;
  /** Σ g² */
  readonly sumOfSquares: TensorRef;
  /** Windows that were added up. */
  readonly windows: number;
}

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
  const most = Math.max(1, Math.min(options.mostWindows ?? Number.POSITIVE_INFINITY, windows));
  const inFlight = Math.min(2 * pool.size, most);
  const setBytes = gradientSetBytes(linears);
  const region = allocateNative(gradientBytes(linears, pool.size, most));
  const [sum = [], squares = [], ...slots] = Array.from({ length: 2 + inFlight }, (_, set) =>
    weightRefs(linears, region.address + BigInt(set * setBytes)),
  );
  const shape = [tokens, hiddenSize];
  let done = 0;
  try {
    await inBatches({
      windows,
      batch: Math.max(1, Math.floor(inFlight / 2)),
      slots,
      signal: pool.signal,
      compute: async (window, slot) => {
        const from = { path: states.path, record: states.offset(window) };
        await pool.run('forward/window-task', runWindow, {
          graph,
          weights,
          path: gradients.path,
          record: gradients.offset(window),
          reads: [
            { name: HIDDEN_INPUT, shape, offset: 0, from },
            { name: OUTPUT_GRADIENT_INPUT, shape, offset: 0 },
          ],
          writes: [{ name: HIDDEN_GRADIENT_OUTPUT, shape, offset: 0 }],
          captures: Object.fromEntries(
            linears.map(({ name }, index) => [weightGradientName(name), slot[index] as TensorRef]),
          ),
          returns: {},
          where: `the gradient of ${block.prefix.replace(/\.$/, '')}`,
        });
        options.onWindow?.('backward', block, ++done);
      },
      lanes: linears.length,
      add: async (lane, _first, filled) => {
        const addressOf = (refs: readonly TensorRef[]) => refs[lane]?.address ?? 0n;
        const linear = linears[lane] as LinearDescription;
        const added: GradientsToAdd = {
          name: weightName(block, linear),
          sum: addressOf(sum),
          sumOfSquares: addressOf(squares),
          gradients: filled.map(addressOf),
          parts: partsOf(elementsOf(linear), PART_ELEMENTS).map((part) => ({
            ...part,
            graph: stream.graphs.get(`sum of gradients ${part.count}`, () => sumGradientsGraph(part.count)),
          })),
        };
        await pool.run('statistics/gradient-task', addGradients, added);
      },
    });
    const sums = new Map<string, GradientSums>();
    for (const [index, { name }] of linears.entries()) {
      const [g, g2] = [sum, squares].map((refs) => refs[index]) as [TensorRef, TensorRef];
      sums.set(name, { sum: g, sumOfSquares: g2, windows });
    }
    if (sums.size > 0) await options.onBlock(block, sums);
  } finally {
    freeNative(region);
  }
}

/** Bytes of the sums of a block, and of the gradients of the windows that wait in memory. */
export function gradientBytes(
  linears: readonly LinearDescription[],
  workers: number,
  mostWindows: number,
): number {
  return gradientSetBytes(linears) * (2 + Math.max(1, Math.min(2 * workers, mostWindows)));
}

function gradientSetBytes(linears: readonly LinearDescription[]): number {
  return linears.reduce((sum, linear) => sum + elementsOf(linear) * 4, 0);
}

function elementsOf(linear: LinearDescription): number {
  return linear.out * linear.in;
}

/** Places of weights that lie one after the other. */
function weightRefs(linears: readonly LinearDescription[], address: bigint): TensorRef[] {
  let next = address;
  return linears.map((linear) => {
    const ref = { address: next, shape: [linear.out, linear.in] };
    next += BigInt(elementsOf(linear) * 4);
    return ref;
  });
}

/**
 * Gradients of the cross-entropy with respect to the weights of a model's linears, summed over windows, one block after
 * the other from the last to the first. The forward goes first and leaves every block's input in a file.
 * @module
 */
import { copyStates } from '../forward/copy-states.js';
import {
  ExpertRouting,
  expertWindowTokens,
  gatheredBytes,
  type RowSource,
} from '../forward/expert-routing.js';
import { type HiddenFileKind, hiddenFile } from '../forward/hidden-file.js';
import { HiddenStates } from '../forward/hidden-states.js';
import { lossRecordBytes, type ModelStream, wholeRecordBytes } from '../forward/model-stream.js';
import type { Locate } from '../forward/model-tensors.js';
import {
  blockGradientGraph,
  HIDDEN_GRADIENT_OUTPUT,
  OUTPUT_GRADIENT_INPUT,
  ROUTED_INPUT_GRADIENT,
  ROUTED_WEIGHTS_GRADIENT,
} from '../graph/block-gradient-graph.js';
import { planWholeBlock } from '../graph/block-passes.js';
import { HIDDEN_INPUT } from '../graph/block-scope.js';
import { type BlockDescription, type ModelDescription, unitsOf } from '../model/description.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { releaseFile } from '../system/release-file.js';
import { type GradientSums, sumGradients } from './sum-gradients.js';

export interface CollectGradientsOptions {
  readonly stream: ModelStream;
  readonly pool: WorkerPool;
  readonly locate: Locate;
  /** [windows · sequence length] */
  readonly tokens: Int32Array;
  readonly sequenceLength: number;
  /**
   * Where the states are kept meanwhile, in files `gradients-*.hidden`: the inputs [tokens, hidden] of all blocks, and the
   * gradients. Workers keep them open by their names, so that a pool collects once in a folder.
   */
  readonly folder: string;
  /** Whose weights' gradients are wanted: names within the block, or within an expert. */
  linears(unit: BlockDescription): readonly string[];
  /** Windows whose gradients may wait in memory; what is summed, and how, doesn't depend on it. */
  readonly mostWindows?: number | undefined;
  /** Told after every window of a block, in the forward and then in the backward. */
  onWindow?(phase: 'forward' | 'backward', unit: BlockDescription, done: number): void;
  /**
   * Told the sums of a block, or of an expert, by the linear's name within it, which are valid until it returns. An expert's
   * squares are those of windows of its own tokens, which come from several of the windows.
   *
   * @param tokens that go to the unit
   */
  onBlock(
    unit: BlockDescription,
    sums: ReadonlyMap<string, GradientSums>,
    tokens: number,
  ): void | Promise<void>;
}

interface Collecting extends CollectGradientsOptions {
  /** A file that is removed in the end. */
  file(kind: HiddenFileKind, index?: number): string;
}

/**
 * Disk that the files take, at most: the inputs of all blocks and the gradients; the records of the forward until there are
 * gradients; then, of the experts of a block, its output with what goes to them, the gradients with respect to that, and what
 * one expert takes and gives.
 */
export function gradientFilesBytes(model: ModelDescription, windows: number, tokens: number): number {
  const { hiddenSize, blocks } = model;
  const input = tokens * hiddenSize * 4;
  const record = wholeRecordBytes(model, tokens);
  const ofExperts = blocks.map(({ experts }) => {
    if (!experts) return 0;
    const length = expertWindowTokens(experts, windows * tokens);
    const gathered = gatheredBytes(length, length * (hiddenSize + 1) * 4, windows * tokens);
    return windows * (record + tokens * (hiddenSize + experts.units.length) * 4) + 2 * gathered;
  });
  return (
    windows * (blocks.length * input + lossRecordBytes(model, tokens)) +
    Math.max(windows * record, ...ofExperts)
  );
}

/** @throws RunError naming the block or the weight where something isn't finite */
export async function collectGradients(options: CollectGradientsOptions): Promise<void> {
  const { stream, pool, locate, tokens, sequenceLength } = options;
  const { model } = stream;
  const windows = tokens.length / sequenceLength;
  const firstWanted = model.blocks.findIndex((block) =>
    unitsOf(block).some((unit) => options.linears(unit).length > 0),
  );
  if (firstWanted < 0) return;
  const files = new Set<string>();
  const file = (kind: HiddenFileKind, index?: number) => {
    const path = hiddenFile(options.folder, kind, index);
    files.add(path);
    return path;
  };
  const newStates = (path: string, recordBytes?: number) =>
    new HiddenStates(path, windows, sequenceLength, model.hiddenSize, recordBytes);
  const inputs: HiddenStates[] = [];
  try {
    let states = newStates(file('gradients-output'), stream.recordBytes(sequenceLength));
    await stream.embed(states, tokens, locate);
    for (const [index, block] of model.blocks.entries()) {
      if (index >= firstWanted) {
        inputs[index] = newStates(file('gradients-input', index));
        await copyAll(pool, states, inputs[index]);
      }
      await stream.runBlock(block, await stream.loadBlock(block, locate), states, locate, {
        onWindow: (done) => options.onWindow?.('forward', block, done),
      });
    }
    const gradients = newStates(file('gradients-loss'), lossRecordBytes(model, sequenceLength));
    await stream.crossEntropyGradient(states, tokens, locate, gradients);
    states.dispose();
    for (const index of [...model.blocks.keys()].slice(firstWanted).reverse()) {
      states = inputs[index] as HiddenStates;
      await blockGradients({ ...options, file }, index, states, gradients);
      states.dispose();
    }
  } finally {
    for (const path of files) releaseFile(path);
  }
}

async function copyAll(pool: WorkerPool, from: HiddenStates, into: HiddenStates): Promise<void> {
  await copyStates(pool, from, [...Array(from.windows).keys()], into, from.hiddenSize);
}

/** What goes to the experts of a block, and the gradients with respect to it. */
interface RoutedGradients {
  readonly input: RowSource;
  readonly weights: RowSource;
}

/** Takes the gradients with respect to the block's output to those with respect to its input. */
async function blockGradients(
  options: Collecting,
  index: number,
  states: HiddenStates,
  gradients: HiddenStates,
): Promise<void> {
  const { stream, locate } = options;
  const block = stream.model.blocks[index] as BlockDescription;
  const routed = block.experts && (await expertGradients(options, index, states, gradients));
  const { tokens, hiddenSize } = states;
  const from = (source: RowSource) => (window: number) => ({
    path: source.path,
    record: source.offset(window),
  });
  await unitGradients(options, block, await stream.loadBlock(block, locate), {
    states,
    gradients,
    losses: states.windows,
    tokens: states.windows * tokens,
    routed: routed
      ? [
          { name: ROUTED_INPUT_GRADIENT, shape: [tokens, hiddenSize], from: from(routed.input) },
          {
            name: ROUTED_WEIGHTS_GRADIENT,
            shape: [tokens, routed.weights.width],
            from: from(routed.weights),
          },
        ]
      : [],
  });
  routed?.dispose();
}

/**
 * The gradients of a block's experts, and with respect to what goes to them: each expert's tokens are gathered with the
 * gradients of what the block gives for them.
 *
 * @param states the block's input
 * @param gradients with respect to the block's output
 */
async function expertGradients(
  options: Collecting,
  index: number,
  states: HiddenStates,
  gradients: HiddenStates,
): Promise<RoutedGradients & { dispose(): void }> {
  const { stream, pool, locate, file } = options;
  const block = stream.model.blocks[index] as BlockDescription;
  const units = block.experts?.units ?? [];
  const { windows, tokens, hiddenSize } = states;
  const passes = planWholeBlock(block, tokens);
  const forward = new HiddenStates(
    file('gradients-routing', index),
    windows,
    tokens,
    hiddenSize,
    stream.recordBytes(tokens),
  );
  await copyAll(pool, states, forward);
  await stream.propagate(block, await stream.loadBlock(block, locate), forward);
  const routing = await ExpertRouting.read(pool, passes, forward);
  const width = hiddenSize + units.length;
  const sums = new HiddenStates(file('gradients-routed', index), windows, tokens, width);
  const inputBytes = tokens * hiddenSize * 4;
  const routed = {
    input: {
      path: sums.path,
      offset: (window: number) => sums.offset(window),
      width: hiddenSize,
      column: 0,
      first: 0,
      count: hiddenSize,
    },
    weights: {
      path: sums.path,
      offset: (window: number) => sums.offset(window) + inputBytes,
      width: units.length,
      column: 0,
      first: hiddenSize,
      count: 1,
    },
  };
  const record = routing.windowTokens * (hiddenSize + 1) * 4;
  const [ofTokens, ofOutputs] = [file('gradients-expert', index), file('gradients-expert-output', index)];
  let own: HiddenStates | undefined;
  let ofOwn: HiddenStates | undefined;
  for (const [expert, unit] of units.entries()) {
    const count = routing.count(expert);
    // None of these has windows where no token goes to the expert.
    own = await routing.gather(expert, ofTokens, record);
    ofOwn = await routing.gatherFrom(expert, routing.outputs(expert, gradients), ofOutputs, record);
    const weights = count > 0 ? await stream.loadBlock(unit, locate) : {};
    await unitGradients(options, unit, weights, {
      states: own,
      gradients: ofOwn,
      losses: windows,
      tokens: count,
      routed: [],
    });
    await routing.scatter(expert, ofOwn, [routed.input, { ...routed.weights, column: expert }]);
  }
  for (const each of [own, ofOwn, forward]) each?.dispose();
  return { ...routed, dispose: () => sums.dispose() };
}

interface UnitGradients {
  /** Windows whose losses the gradients are of. */
  readonly losses: number;
  /** That go to the unit. */
  readonly tokens: number;
  /** What the unit takes. */
  readonly states: HiddenStates;
  /** With respect to what it gives; then with respect to what it takes. */
  readonly gradients: HiddenStates;
  /** Of what goes to the experts. */
  readonly routed: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    from(window: number): { readonly path: string; readonly record: number };
  }[];
}

async function unitGradients(
  options: CollectGradientsOptions,
  unit: BlockDescription,
  weights: Readonly<Record<string, TensorRef>>,
  { states, gradients, losses, tokens: counted, routed }: UnitGradients,
): Promise<void> {
  const { stream, pool } = options;
  const { windows, tokens, hiddenSize } = states;
  const names = options.linears(unit);
  const linears = unit.linears.filter(({ name }) => names.includes(name));
  const graph = stream.graphs.get(`gradient ${unit.graphKey} ${tokens} ${names.join(' ')}`, () =>
    blockGradientGraph(unit, tokens, names),
  );
  const shape = [tokens, hiddenSize];
  await sumGradients({
    pool,
    graphs: stream.graphs,
    block: unit,
    linears,
    windows,
    losses,
    mostWindows: options.mostWindows,
    task: (window) => ({
      graph,
      weights,
      path: gradients.path,
      record: gradients.offset(window),
      reads: [
        { name: HIDDEN_INPUT, shape, offset: 0, from: { path: states.path, record: states.offset(window) } },
        { name: OUTPUT_GRADIENT_INPUT, shape, offset: 0 },
        ...routed.map((each) => ({
          name: each.name,
          shape: each.shape,
          offset: 0,
          from: each.from(window),
        })),
      ],
      writes: [{ name: HIDDEN_GRADIENT_OUTPUT, shape, offset: 0 }],
      returns: {},
    }),
    onWindow: (done) => options.onWindow?.('backward', unit, done),
    onSums: async (sums) => {
      if (sums.size > 0) await options.onBlock(unit, sums, counted);
    },
  });
}

/**
 * What is done to each block just before it is pruned, from its stored inputs: the gradients of its own output, and rounds
 * of pruning and optimising it.
 * @module
 */
import { join } from 'node:path';
import { copyStates } from '../../forward/copy-states.js';
import { type HiddenFileKind, hiddenFile } from '../../forward/hidden-file.js';
import { HiddenStates, type StateRecords } from '../../forward/hidden-states.js';
import type { ModelStream } from '../../forward/model-stream.js';
import { runWindow } from '../../forward/window-task.js';
import { HIDDEN_INPUT } from '../../graph/block-scope.js';
import { HIDDEN_OUTPUT } from '../../graph/logits-graph.js';
import { blockOutputGraph, LOSS_OUTPUT, regionalGradientGraph } from '../../graph/regional-gradient-graph.js';
import type { BlockDescription, LinearDescription } from '../../model/description.js';
import type { TensorRef } from '../../runtime/tensor-ref.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';
import { RegionalOptimiser } from '../../solvers/regional-optimiser.js';
import type { FiledMatrix } from '../../statistics/gradient-moments.js';
import { sumGradients, weightsBytes } from '../../statistics/sum-gradients.js';
import { releaseFile } from '../../system/release-file.js';
import { fileMoments } from '../dense/file-moments.js';
import { makeSizedFile } from '../dense/make-sized-file.js';
import type { RegionalOptimisation } from '../methods/method.js';
import type { LayerPlan } from '../prepare/layer-plan.js';
import type { RegionalWindows } from '../prepare/method-windows.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { recordBytes } from '../prepare/prune-plans.js';
import type { StageClock } from '../progress/stage-clock.js';
import { prunedLinears, unitLayers } from './unit-layers.js';

/** Windows whose loss is compared before and after, and from which growth on the report says so. */
const CHECKED_WINDOWS = 4;
const NOTED_GROWTH = 1.05;

export interface RegionalBlocksOptions {
  readonly run: PreparedRun;
  readonly pool: WorkerPool;
  readonly stream: ModelStream;
  /** For the files, `regional*`; workers keep them open by their names, so that there is one of these in a folder. */
  readonly folder: string;
  readonly clock: StageClock;
}

/** A block whose weights are as they are in the source. */
export interface DenseBlock {
  readonly index: number;
  readonly block: BlockDescription;
  readonly weights: Readonly<Record<string, TensorRef>>;
  /** Whose records begin with the block's input. */
  readonly states: HiddenStates;
}

/** Bytes of the moments of the block that has the most of them. */
export function regionalFileBytes(run: PreparedRun): number {
  const moments = run.regional?.gradients?.moments.length ?? 0;
  return moments * Math.max(0, ...run.model.blocks.map((block) => weightsBytes(prunedLinears(run, block))));
}

/** Windows whose dense outputs are kept: all those that some round takes, unless they are in the dense model's states. */
export function targetWindows({ regional, windows, recovery }: PreparedRun): number {
  if (recovery > 0) return 0;
  const taken = (regional?.optimisations ?? []).map((each) => each.rounds * each.windows);
  return Math.min(windows, Math.max(0, ...taken));
}

/** Windows that a block is pruned on at a time before its last passes, at most. */
function rehearsedWindows({ regional, windows }: PreparedRun): number {
  const taken = (regional?.optimisations ?? []).map((each) =>
    each.pruned === 'once before' ? windows : each.windows,
  );
  return Math.max(0, ...taken);
}

/** Bytes of the windows that blocks are pruned on before their last passes, and of the dense outputs. */
export function regionalRecordBytes(run: PreparedRun): number {
  const { regional, model } = run;
  if (!regional || regional.optimisations.length === 0) return 0;
  const targets = targetWindows(run) * regional.tokens * model.hiddenSize * 4;
  return rehearsedWindows(run) * recordBytes(run) + targets;
}

/** The windows that each block is pruned on before its last passes, in lots. */
export function rehearsals({ regional, windows }: PreparedRun): number[] {
  return (regional?.optimisations ?? []).flatMap((each) =>
    each.pruned === 'once before' ? [windows] : Array<number>(pruningRounds(each)).fill(each.windows),
  );
}

/** How often each block is pruned: what came of the last rehearsal of an update stays. */
export function timesPruned(run: PreparedRun): number {
  const isFinal = run.regional?.optimisations.at(-1)?.pruned === 'once before';
  return rehearsals(run).length + (isFinal ? 0 : 1);
}

/** Rounds that choose masks: where pruned weights stay zero, so does the mask of the first. */
function pruningRounds({ rounds, regrow }: RegionalOptimisation): number {
  return regrow ? rounds : Math.min(1, rounds);
}

export class RegionalBlocks {
  readonly #options: RegionalBlocksOptions;
  readonly #regional: RegionalWindows;
  readonly #moments: string;
  readonly #rehearsal: HiddenStates | undefined;
  readonly #targets: HiddenStates | undefined;

  /** @throws RequestError or RunError naming the file that can't be made */
  constructor(options: RegionalBlocksOptions, regional: RegionalWindows) {
    this.#options = options;
    this.#regional = regional;
    const { run, folder } = options;
    const { optimisations, tokens } = regional;
    const { hiddenSize } = run.model;
    this.#moments = join(folder, 'regional.f32');
    if (regional.gradients) makeSizedFile(this.#moments, regionalFileBytes(run));
    if (optimisations.length === 0) return;
    const length = run.calibration?.sequenceLength ?? 0;
    const newStates = (kind: HiddenFileKind, ...sizes: [windows: number, tokens: number, record: number]) => {
      const [windows, perWindow, record] = sizes;
      return new HiddenStates(hiddenFile(folder, kind), windows, perWindow, hiddenSize, record);
    };
    this.#rehearsal = newStates('regional', rehearsedWindows(run), length, recordBytes(run));
    if (run.recovery === 0) this.#targets = newStates('regional-targets', targetWindows(run), tokens, 0);
  }

  /** The moments of a linear of the block that was last prepared. */
  matrices(layer: LayerPlan): FiledMatrix[] {
    const { run } = this.#options;
    const moments = this.#regional.gradients?.moments ?? [];
    const pruned = prunedLinears(run, layer.unit);
    const before = pruned.slice(0, pruned.indexOf(layer.linear));
    return moments.map((_, index) => ({
      path: this.#moments,
      offset: weightsBytes(before) * moments.length + weightsBytes([layer.linear]) * index,
    }));
  }

  /** Tokens of each window that the moments are over. */
  get tokens(): number {
    return this.#regional.tokens;
  }

  /** Whether what a block has come to when it is prepared is what it is to become. */
  get isFinal(): boolean {
    return this.#regional.optimisations.at(-1)?.pruned === 'once before';
  }

  /**
   * Measures the dense block's gradients, and takes its weights through the rounds, towards what the dense block gives for
   * its inputs, or else towards `outputs`.
   *
   * @param prune prunes the block on the windows of other states, whose records begin with the block's input
   * @param outputs of the block in the dense model, at the start of the windows' records once the block has been pruned
   * @returns what didn't go as one would assume
   * @throws RunError naming the block or the weight where something isn't finite
   */
  async prepare(
    dense: DenseBlock,
    prune: (states: StateRecords) => Promise<void>,
    outputs?: StateRecords,
  ): Promise<string[]> {
    const linears = prunedLinears(this.#options.run, dense.block);
    if (linears.length === 0) return [];
    const { clock } = this.#options;
    if (this.#regional.gradients) {
      await clock.time('backward', () => this.#measureGradients(dense, linears));
    }
    const [rehearsal, own] = [this.#rehearsal, this.#targets];
    const targets = outputs ? { ...outputs, tokens: this.#regional.tokens } : own;
    if (!rehearsal || !targets) return [];
    if (targets === own) await clock.time('forward', () => this.#keepOutputs(dense, own));
    const notes: string[] = [];
    for (const optimisation of this.#regional.optimisations) {
      const { before, after } = await this.#optimise(dense, linears, optimisation, {
        rehearsal,
        targets,
        prune,
      });
      if (!(after > NOTED_GROWTH * before)) continue;
      const times = (after / before).toPrecision(3);
      notes.push(
        `the steps made the block's squared output error ${times} times as large; a smaller learning_rate may help`,
      );
    }
    return notes;
  }

  dispose(): void {
    this.#rehearsal?.dispose();
    this.#targets?.dispose();
    if (this.#regional.gradients) releaseFile(this.#moments);
  }

  async #measureGradients(
    { index, block, weights, states }: DenseBlock,
    linears: readonly LinearDescription[],
  ): Promise<void> {
    const { run, pool, stream, clock } = this.#options;
    const { gradients, tokens } = this.#regional;
    if (!gradients) return;
    const names = linears.map(({ name }) => name);
    const graph = stream.graphs.get(`output norm ${block.graphKey} ${tokens} ${names.join(' ')}`, () =>
      regionalGradientGraph(block, tokens, names, 'output norm'),
    );
    await sumGradients({
      pool,
      graphs: stream.graphs,
      block,
      linears,
      windows: gradients.windows,
      mostWindows: run.memory.activations,
      task: (window) => ({
        graph,
        weights,
        path: states.path,
        record: states.offset(window),
        reads: [{ name: HIDDEN_INPUT, shape: [tokens, states.hiddenSize], offset: 0 }],
        writes: [],
        returns: { [LOSS_OUTPUT]: 1 },
      }),
      onWindow: (done) => clock.step('backward', index, done, gradients.windows),
      onSums: async (sums) => {
        await pool.forEach([...sums], async ([name, each]) => {
          const layer = unitLayers(run, block).find(({ linear }) => linear.name === name);
          if (!layer) throw new Error(`${block.prefix}${name} has no plan`);
          await fileMoments(pool, each, gradients.moments, this.matrices(layer));
        });
      },
    });
  }

  /** Returns the loss before the steps and after them, on some of the windows. */
  async #optimise(
    { index, block, weights, states }: DenseBlock,
    linears: readonly LinearDescription[],
    optimisation: RegionalOptimisation,
    { rehearsal, targets, prune }: Rehearsal,
  ): Promise<{ before: number; after: number }> {
    const { pool, stream, clock } = this.#options;
    const { rounds, windows } = optimisation;
    const pruneOn = async (taken: readonly number[]) => {
      await clock.time('read', () => copyStates(pool, states, taken, rehearsal, states.hiddenSize));
      await prune(rehearsal.range(0, taken.length));
    };
    if (optimisation.pruned === 'once before') await pruneOn([...Array(states.windows).keys()]);
    const problem = { block, weights, linears, inputs: states, targets };
    const optimiser = new RegionalOptimiser(pool, stream.graphs, problem, optimisation);
    const checked = Array.from({ length: Math.min(windows, CHECKED_WINDOWS) }, (_, window) => window);
    let before = 0;
    try {
      for (let round = 0; round < rounds; round++) {
        const taken = Array.from({ length: windows }, (_, i) => (round * windows + i) % states.windows);
        if (optimisation.pruned === 'in rounds' && round < pruningRounds(optimisation)) await pruneOn(taken);
        const onWindow = (done: number) =>
          clock.step('backward', index, round * windows + done, rounds * windows);
        await clock.time('backward', async () => {
          if (round === 0) before = await optimiser.loss(checked);
          await optimiser.visit(taken, onWindow);
        });
      }
      return { before, after: await clock.time('backward', () => optimiser.loss(checked)) };
    } finally {
      optimiser.dispose();
    }
  }

  async #keepOutputs({ block, weights, states }: DenseBlock, targets: HiddenStates): Promise<void> {
    const { pool, stream } = this.#options;
    const { tokens, hiddenSize } = targets;
    const shape = [tokens, hiddenSize];
    const graph = stream.graphs.get(`output ${block.graphKey} ${tokens}`, () =>
      blockOutputGraph(block, tokens),
    );
    await pool.forEach([...Array(targets.windows).keys()], async (window) => {
      await pool.run('forward/window-task', runWindow, {
        graph,
        weights,
        path: targets.path,
        record: targets.offset(window),
        reads: [
          {
            name: HIDDEN_INPUT,
            shape,
            offset: 0,
            from: { path: states.path, record: states.offset(window) },
          },
        ],
        writes: [{ name: HIDDEN_OUTPUT, shape, offset: 0 }],
        captures: {},
        returns: {},
        where: block.prefix.replace(/\.$/, ''),
      });
    });
  }
}

/** What a block is pruned on before its last passes, and compared with. */
interface Rehearsal {
  readonly rehearsal: HiddenStates;
  readonly targets: StateRecords;
  /** Prunes the block on the windows of other states, whose records begin with the block's input. */
  prune(states: StateRecords): Promise<void>;
}

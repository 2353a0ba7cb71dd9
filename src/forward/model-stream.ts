/**
 * A model as a stream of blocks: one block's weights in memory at a time, hidden states in files.
 * @module
 */

import { dirname } from 'node:path';
import { HIDDEN_GRADIENT_OUTPUT, OUTPUT_GRADIENT_INPUT } from '../graph/block-gradient-graph.js';
import {
  type BlockPass,
  type BlockPasses,
  outputPasses,
  passRanges,
  planWholeBlock,
} from '../graph/block-passes.js';
import { HIDDEN_INPUT } from '../graph/block-scope.js';
import {
  HEAD_BIAS_INPUT,
  HEAD_INPUT,
  HIDDEN_OUTPUT,
  logitsGradientGraph,
  logitsGraph,
  stageGradientGraph,
  stageGraph,
} from '../graph/logits-graph.js';
import type { BlockDescription, ModelDescription, TensorDescription } from '../model/description.js';
import { GraphStore } from '../runtime/compiled-graph.js';
import { type Part, partsOf } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { releaseFile } from '../system/release-file.js';
import { embedWindow } from './embed-task.js';
import { ExpertRouting } from './expert-routing.js';
import { F32Tensors, f32Bytes, largestBlockBytes } from './f32-tensors.js';
import { bytesPerElement } from './float-storage.js';
import { hiddenFile } from './hidden-file.js';
import type { HiddenStates, StateRecords, WindowRecords } from './hidden-states.js';
import { addLogitsGradient } from './logits-gradient-task.js';
import { sliceLogits } from './logits-task.js';
import type { Locate } from './model-tensors.js';
import type { StoredFloatTensor } from './stored-tensor.js';
import { runWindow } from './window-task.js';

/** f32 elements of the slice of the head that is in memory at a time. */
const HEAD_SLICE_ELEMENTS = 4_194_304;
/** Tokens whose logits against a slice are in memory at a time, in each worker, unless told otherwise. */
const LOGIT_TOKENS = 256;

const LOGIT_GRAPHS = { values: logitsGraph, gradient: logitsGradientGraph } as const;

/** Rows of the head in one slice. */
export function headSliceRows(model: ModelDescription): number {
  const rows = Math.floor(HEAD_SLICE_ELEMENTS / model.closing.features);
  return Math.min(model.vocabularySize, Math.max(1024, rows));
}

/** Native memory for the weights of whatever is at work: the largest block, or a slice of the head. */
export function streamBytes(model: ModelDescription): number {
  const { blocks, opening, closing } = model;
  const slice = f32Bytes(headSlice(model, headSliceRows(model)));
  const stages = [opening, closing].map((stage) => f32Bytes(stage?.tensors ?? []));
  return Math.max(largestBlockBytes(blocks), slice, ...stages);
}

/** Some rows of the head, and of its bias. */
function headSlice({ head, headBias, closing }: ModelDescription, rows: number): TensorDescription[] {
  return [
    { name: head.name, shape: [rows, closing.features] },
    ...(headBias ? [{ name: headBias.name, shape: [rows] }] : []),
  ];
}

/** Bytes of a window's record when whole blocks are computed. */
export function wholeRecordBytes({ blocks }: ModelDescription, tokens: number): number {
  return Math.max(...blocks.map((block) => planWholeBlock(block, tokens).recordBytes));
}

/** Bytes of a window's record for `crossEntropyGradient`. */
export function lossRecordBytes({ hiddenSize }: ModelDescription, tokens: number): number {
  return 2 * tokens * hiddenSize * 4;
}

export interface StreamOptions {
  /** Told after every window that a pass has finished. */
  readonly onWindow?: ((done: number) => void) | undefined;
}

export interface PropagateOptions extends StreamOptions {
  /** Where those of pruning have been run; the whole block when left out. */
  readonly passes?: BlockPasses | undefined;
}

/** An expert in memory, with the windows of its tokens. */
export interface ExpertAtWork {
  readonly index: number;
  readonly unit: BlockDescription;
  readonly weights: Readonly<Record<string, TensorRef>>;
  readonly passes: BlockPasses;
  readonly states: HiddenStates;
  /** That go to it. Rows of zeros beyond those of the tokens in the windows fill up the last one. */
  readonly tokens: number;
}

export interface ExpertWork {
  /** How an expert's windows go through it; at once when left out. */
  readonly plan?: ((unit: BlockDescription, tokens: number) => BlockPasses) | undefined;
  /** Whether an expert that so many tokens go to is visited with all tokens of the windows, as if they went to it. */
  readonly seesAll?: ((unit: BlockDescription, tokens: number) => boolean) | undefined;
  /** Runs those of the passes that measure. Experts without tokens are visited too. */
  readonly visit?: ((expert: ExpertAtWork) => Promise<void>) | undefined;
  /** Whether what the experts give isn't needed any more. */
  readonly isLast?: boolean | undefined;
}

/** Made so far in this process, so that the files of each have names of their own. */
let streams = 0;

export class ModelStream {
  readonly model: ModelDescription;
  /** Whatever else runs on blocks puts its graphs here too. */
  readonly graphs = new GraphStore();
  readonly #pool: WorkerPool;
  readonly #weights: F32Tensors;
  readonly #logitTokens: number;
  readonly #headRows: number;
  readonly #number = streams++;
  readonly #expertFiles = new Set<string>();

  /**
   * @param logitTokens whose logits against a slice of the vocabulary may be in a worker's memory at a time
   * @param headRows of a slice, no more than by default
   */
  constructor(
    model: ModelDescription,
    pool: WorkerPool,
    logitTokens: number = LOGIT_TOKENS,
    headRows: number = headSliceRows(model),
  ) {
    this.model = model;
    this.#pool = pool;
    this.#logitTokens = logitTokens;
    this.#headRows = headRows;
    this.#weights = new F32Tensors(streamBytes(model));
  }

  /** Fills the hidden states with the embeddings of `tokens` [windows · tokens]. */
  async embed(states: HiddenStates, tokens: Int32Array, locate: Locate): Promise<void> {
    const embedding = locate(this.model.embedding.name);
    const { opening } = this.model;
    const [, features = 0] = this.model.embedding.shape;
    const stage = opening && {
      graph: this.graphs.get(`opening ${states.tokens}`, () => stageGraph(opening, states.tokens, features)),
      weights: await this.#weights.load(opening.tensors, locate, this.#pool),
      features: opening.features,
    };
    const windows = Array.from({ length: states.windows }, (_, window) => ({
      embedding,
      stage,
      tokens: tokens.slice(window * states.tokens, (window + 1) * states.tokens),
      path: states.path,
      offset: states.offset(window),
    }));
    await this.#pool.map('forward/embed-task', embedWindow, windows);
  }

  /** Loads a block's weights over those of the block before; names within the block. */
  async loadBlock(block: BlockDescription, locate: Locate): Promise<Record<string, TensorRef>> {
    return await this.#weights.load(block.tensors, (name) => locate(block.prefix + name), this.#pool);
  }

  /** Of a window's record, when whole blocks are computed. */
  recordBytes(tokens: number): number {
    return wholeRecordBytes(this.model, tokens);
  }

  /**
   * Replaces every window's hidden states by what the loaded block makes of them, without its experts.
   *
   * @param states with records of at least `recordBytes`, or as large as `passes` ask for
   */
  async propagate(
    block: BlockDescription,
    weights: Readonly<Record<string, TensorRef>>,
    states: WindowRecords,
    { passes = planWholeBlock(block, states.tokens), onWindow }: PropagateOptions = {},
  ): Promise<void> {
    await this.runPasses(passes, outputPasses(passes), weights, states, { onWindow });
  }

  /** The same with its experts, which are loaded over it. @param locate where they are stored */
  async runBlock(
    block: BlockDescription,
    weights: Readonly<Record<string, TensorRef>>,
    states: WindowRecords,
    locate: Locate,
    { passes = planWholeBlock(block, states.tokens), onWindow }: PropagateOptions = {},
  ): Promise<void> {
    await this.propagate(block, weights, states, { passes, onWindow });
    if (block.experts) await this.runExperts(passes, states, locate);
  }

  /**
   * Adds what a block's experts give to its output, one expert in memory at a time.
   *
   * @param states after the last of the block's passes
   * @param work what is done with each expert before; nothing when left out
   */
  async runExperts(
    passes: BlockPasses,
    states: WindowRecords,
    locate: Locate,
    work: ExpertWork = {},
  ): Promise<void> {
    const { plan = planWholeBlock, seesAll = () => false, visit, isLast = false } = work;
    const routing = await ExpertRouting.read(this.#pool, passes, states);
    const { windowTokens } = routing;
    for (const [index, unit] of (passes.block.experts?.units ?? []).entries()) {
      const tokens = routing.count(index);
      if (tokens === 0 && !visit) continue;
      const weights = await this.loadBlock(unit, locate);
      const own = plan(unit, windowTokens);
      const path = this.#expertFile(dirname(states.path));
      const gather = () => routing.gather(index, path, own.recordBytes);
      const all = seesAll(unit, tokens);
      const visited = all ? await routing.gatherAll(index, path, own.recordBytes) : await gather();
      await visit?.({ index, unit, weights, passes: own, states: visited, tokens });
      if (tokens === 0 || isLast) continue;
      const gathered = all ? await gather() : visited;
      const passes = all ? planWholeBlock(unit, windowTokens) : own;
      await this.propagate(unit, weights, gathered, { passes });
      await routing.scatter(index, gathered, routing.outputs(index));
    }
  }

  /** Where the tokens of an expert are kept: one file for all, since workers keep it open. */
  #expertFile(folder: string): string {
    const path = hiddenFile(folder, 'experts', this.#number);
    this.#expertFiles.add(path);
    return path;
  }

  /** Takes every window through some of a block's passes, without measuring anything. */
  async runPasses(
    passes: BlockPasses,
    some: readonly BlockPass[],
    weights: Readonly<Record<string, TensorRef>>,
    states: WindowRecords,
    options: StreamOptions = {},
  ): Promise<void> {
    if (states.recordBytes < passes.recordBytes) throw new Error(`${states.path}: the records are too small`);
    for (const pass of some) {
      if (pass.writes.length === 0) continue;
      const ranges = passRanges(passes, pass).map((range) => ({
        graph: this.graphs.get(range.graphKey, () => range.graph('nothing')),
        reads: range.reads,
        writes: range.writes,
      }));
      const onWindow = pass === some.at(-1) ? options.onWindow : undefined;
      await this.#forEachWindow(states, { onWindow }, async (path, record) => {
        for (const range of ranges) {
          await this.#pool.run('forward/window-task', runWindow, {
            ...range,
            weights,
            path,
            record,
            captures: {},
            returns: {},
            where: passes.block.prefix.replace(/\.$/, ''),
          });
        }
      });
    }
  }

  /**
   * Cross-entropy of every window, from the output of the last block.
   *
   * @param tokens [windows · tokens], the ones that the states come from
   * @returns nats per window, the mean over its tokens − 1 predictions
   */
  async crossEntropy(
    states: StateRecords,
    tokens: Int32Array,
    locate: Locate,
    options: StreamOptions = {},
  ): Promise<Float64Array> {
    await this.#close(states, states, locate);
    const { logSumExp, targetLogit } = await this.#tokenLogits(states, tokens, locate, options);
    return Float64Array.from({ length: states.windows }, (_, window) => {
      let loss = 0;
      for (let i = window * states.tokens; i < (window + 1) * states.tokens - 1; i++) {
        loss += (logSumExp[i] as number) - (targetLogit[i] as number);
      }
      return loss / (states.tokens - 1);
    });
  }

  /**
   * Gradient of every window's cross-entropy with respect to the output of the last block.
   *
   * @param states output of the last block; left as they are
   * @param tokens [windows · tokens], the ones that the states come from
   * @param gradients new, with records of at least `lossRecordBytes`; the gradients [tokens, hidden] come to lie at the
   * start of each
   */
  async crossEntropyGradient(
    states: HiddenStates,
    tokens: Int32Array,
    locate: Locate,
    gradients: HiddenStates,
  ): Promise<void> {
    const { path, windows, tokens: length } = states;
    const after = gradients.tokens * gradients.hiddenSize * 4;
    const normalised: StateRecords = {
      path: gradients.path,
      windows,
      tokens: length,
      offset: (window) => gradients.offset(window) + after,
    };
    await this.#close(states, normalised, locate);
    const { logSumExp } = await this.#tokenLogits(normalised, tokens, locate, {});
    const { closing, hiddenSize } = this.model;
    for (const { first, count } of this.#headSlices()) {
      const head = await this.#loadHeadSlice(locate, first, count);
      await this.#forEachWindow(normalised, {}, async (_, offset, window) => {
        const start = window * length;
        await this.#pool.run('forward/logits-gradient-task', addLogitsGradient, {
          parts: this.#logitParts('gradient', length, count),
          head,
          path: gradients.path,
          offset,
          gradientOffset: gradients.offset(window),
          features: closing.features,
          targets: sliceTargets(tokens, start, length, first, count).map((target) =>
            target < 0 ? count : target,
          ),
          logSumExp: Float32Array.from(logSumExp.subarray(start, start + length)),
        });
      });
    }
    const weights = await this.#weights.load(closing.tensors, locate, this.#pool);
    const graph = this.graphs.get(`closing gradient ${length}`, () =>
      stageGradientGraph(closing, length, hiddenSize),
    );
    const shape = [length, hiddenSize];
    await this.#forEachWindow(gradients, {}, async (own, record, window) => {
      await this.#pool.run('forward/window-task', runWindow, {
        graph,
        weights,
        path: own,
        record,
        reads: [
          { name: HIDDEN_INPUT, shape, offset: 0, from: { path, record: states.offset(window) } },
          { name: OUTPUT_GRADIENT_INPUT, shape: [length, closing.features], offset: 0 },
        ],
        writes: [{ name: HIDDEN_GRADIENT_OUTPUT, shape, offset: 0 }],
        captures: {},
        returns: {},
        where: 'the gradient before the head',
      });
    });
  }

  dispose(): void {
    for (const path of this.#expertFiles) releaseFile(path);
    this.#weights.dispose();
    this.graphs.dispose();
  }

  /** What lies between the last block and the head. */
  async #close(from: StateRecords, to: StateRecords, locate: Locate): Promise<void> {
    const { closing, hiddenSize } = this.model;
    const { tokens } = from;
    const weights = await this.#weights.load(closing.tensors, locate, this.#pool);
    const graph = this.graphs.get(`closing ${tokens}`, () => stageGraph(closing, tokens, hiddenSize));
    await this.#forEachWindow(to, {}, async (path, record, window) => {
      const source = { path: from.path, record: from.offset(window) };
      await this.#pool.run('forward/window-task', runWindow, {
        graph,
        weights,
        path,
        record,
        reads: [{ name: HIDDEN_INPUT, shape: [tokens, hiddenSize], offset: 0, from: source }],
        writes: [{ name: HIDDEN_OUTPUT, shape: [tokens, closing.features], offset: 0 }],
        captures: {},
        returns: {},
        where: 'what the head reads',
      });
    });
  }

  /** Of every token, from the states that the head reads: log Σ exp(logit), and the logit of what it predicts. */
  async #tokenLogits(
    states: StateRecords,
    tokens: Int32Array,
    locate: Locate,
    { onWindow }: StreamOptions,
  ): Promise<{ readonly logSumExp: Float64Array; readonly targetLogit: Float64Array }> {
    const total = states.windows * states.tokens;
    const maximum = new Float64Array(total).fill(Number.NEGATIVE_INFINITY);
    const sum = new Float64Array(total);
    const targetLogit = new Float64Array(total);
    const slices = this.#headSlices();
    for (const [index, { first, count }] of slices.entries()) {
      const head = await this.#loadHeadSlice(locate, first, count);
      await this.#forEachWindow(
        states,
        { onWindow: (done) => onWindow?.((index * states.windows + done) / slices.length) },
        async (path, offset, window) => {
          const start = window * states.tokens;
          const targets = sliceTargets(tokens, start, states.tokens, first, count);
          const part = await this.#pool.run('forward/logits-task', sliceLogits, {
            parts: this.#logitParts('values', states.tokens, count),
            head,
            path,
            offset,
            features: this.model.closing.features,
            targets: targets.map((target) => Math.max(target, 0)),
          });
          for (let i = 0; i < states.tokens; i++) {
            const known = maximum[start + i] as number;
            const high = Math.max(known, part.maximum[i] as number);
            sum[start + i] =
              (sum[start + i] as number) * Math.exp(known - high) +
              (part.sum[i] as number) * Math.exp((part.maximum[i] as number) - high);
            maximum[start + i] = high;
            if ((targets[i] as number) >= 0) targetLogit[start + i] = part.target[i] as number;
          }
        },
      );
    }
    return { logSumExp: maximum.map((value, i) => value + Math.log(sum[i] as number)), targetLogit };
  }

  #headSlices(): Part[] {
    return partsOf(this.model.vocabularySize, this.#headRows);
  }

  /** @returns by the names of the graphs' inputs */
  async #loadHeadSlice(
    locate: Locate,
    first: number,
    count: number,
  ): Promise<Readonly<Record<string, TensorRef>>> {
    const { head, headBias } = this.model;
    const tensors = headSlice(this.model, count);
    const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
    const rows = (name: string): StoredFloatTensor => {
      const whole = locate(name);
      const [, features = 1] = whole.shape;
      const offset = whole.offset + first * features * bytesPerElement(whole.dtype);
      return { ...whole, offset, shape: shapes.get(name) ?? [] };
    };
    const refs = await this.#weights.load(tensors, rows, this.#pool);
    const named = (name: string): TensorRef => {
      const ref = refs[name];
      if (!ref) throw new Error(`${name} was not loaded`);
      return ref;
    };
    return {
      [HEAD_INPUT]: named(head.name),
      ...(headBias ? { [HEAD_BIAS_INPUT]: named(headBias.name) } : {}),
    };
  }

  #logitParts(of: keyof typeof LOGIT_GRAPHS, tokens: number, vocabularySlice: number) {
    return logitParts(tokens, this.#logitTokens).map((size) => {
      const graph = this.graphs.get(`logits ${of} ${size} ${vocabularySlice}`, () =>
        LOGIT_GRAPHS[of](this.model, size, vocabularySlice),
      );
      return { tokens: size, graph };
    });
  }

  async #forEachWindow(
    states: StateRecords,
    { onWindow }: StreamOptions,
    run: (path: string, record: number, window: number) => Promise<void>,
  ): Promise<void> {
    let done = 0;
    await this.#pool.forEach([...Array(states.windows).keys()], async (window) => {
      await run(states.path, states.offset(window), window);
      onWindow?.(++done);
    });
  }
}

/**
 * Tokens of each part. None is a single one, unless that is all there is: a product of one row is computed by another
 * routine, whose sums are rounded differently.
 */
function logitParts(tokens: number, most: number): number[] {
  const parts = Array.from({ length: Math.ceil(tokens / most) }, (_, part) =>
    Math.min(most, tokens - part * most),
  );
  const before = parts.at(-2);
  return parts.at(-1) === 1 && before !== undefined ? [...parts.slice(0, -2), before - 1, 2] : parts;
}

/**
 * For each position, the column of the token that it predicts within a slice of the vocabulary; −1 where it lies outside.
 * The last position predicts nothing, and gets its own token.
 */
function sliceTargets(
  tokens: Int32Array,
  start: number,
  length: number,
  first: number,
  count: number,
): Int32Array {
  return Int32Array.from({ length }, (_, i) => {
    const target = tokens[start + Math.min(i + 1, length - 1)] as number;
    return target >= first && target < first + count ? target - first : -1;
  });
}

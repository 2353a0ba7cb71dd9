/**
 * Regional optimisation: the weights of a whole block move so that its output comes nearer to what the dense block gave
 * (Yang et al. 2025, Wanda++, arXiv 2503.04992, section 3.3).
 * @module
 */
import type { HiddenStates, StateRecords } from '../forward/hidden-states.js';
import { runWindow } from '../forward/window-task.js';
import { HIDDEN_INPUT } from '../graph/block-scope.js';
import { LOSS_OUTPUT, regionalGradientGraph, TARGET_INPUT } from '../graph/regional-gradient-graph.js';
import { rmspropGraph } from '../graph/rmsprop-graph.js';
import { type BlockDescription, type LinearDescription, weightName } from '../model/description.js';
import type { GraphStore } from '../runtime/compiled-graph.js';
import { partsOf } from '../runtime/parts.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import {
  elementsOf,
  gradientCaptures,
  PART_ELEMENTS,
  weightRefs,
  weightsBytes,
} from '../statistics/sum-gradients.js';
import { allocateNative, freeNative, type NativeRegion } from '../system/native-memory.js';
import { meanSquare } from './mean-square-task.js';
import { takeStep } from './rmsprop-task.js';

/** Elements of one task: whole parts. */
const TASK_ELEMENTS = 16 * PART_ELEMENTS;

export interface RegionalProblem {
  readonly block: BlockDescription;
  /** All of the block's, f32, by their names within it. Those of `linears` move. */
  readonly weights: Readonly<Record<string, TensorRef>>;
  readonly linears: readonly LinearDescription[];
  /** Whose records begin with the block's input [at least as many tokens as `targets` has, hidden]. */
  readonly inputs: HiddenStates;
  /** What the block is to give: [tokens, hidden] of the first tokens of each window. */
  readonly targets: StateRecords;
}

export interface RegionalSteps {
  /** `auto`: of each linear, 3e-3 of the root mean square of its weights when the steps begin. */
  readonly learningRate: number | 'auto';
  /** Whether a weight that is zero may get another value. */
  readonly regrow: boolean;
  /** Windows of a step; all of their gradients are in memory. */
  readonly batch: number;
}

/**
 * Bytes beside the block's weights: a mean square for each, and the gradients of the windows of a step.
 */
export function regionalBytes(linears: readonly LinearDescription[], batch: number): number {
  return weightsBytes(linears) * (1 + batch);
}

/** What the rate of `auto` is of the root mean square of a linear's weights (docs/architecture.md has the figures). */
const AUTOMATIC_RATE = 3e-3;

/**
 * Threads for a window that is a step of its own, since the next one waits for it. As many whatever the number of workers:
 * onnxruntime divides its products among them, and small ones are then added up in another order.
 */
export const LONE_WINDOW_THREADS = 2;

/**
 * RMSprop on Σ (f(x) − target)² of the windows of each step. The sum, and not the mean, so that RMSprop's 1e-8 stays small
 * beside the root of the mean square whatever the size of the block's output; the step itself doesn't depend on a factor.
 * Gradients are added in the order of the windows, so that the weights don't depend on the number of workers.
 */
export class RegionalOptimiser {
  readonly #pool: WorkerPool;
  readonly #graphs: GraphStore;
  readonly #problem: RegionalProblem;
  readonly #steps: RegionalSteps;
  readonly #region: NativeRegion;
  readonly #squares: readonly TensorRef[];
  readonly #gradients: readonly (readonly TensorRef[])[];
  /** Of the linears. */
  #rates: readonly number[] | undefined;

  constructor(pool: WorkerPool, graphs: GraphStore, problem: RegionalProblem, steps: RegionalSteps) {
    this.#pool = pool;
    this.#graphs = graphs;
    this.#problem = problem;
    this.#steps = steps;
    const { linears } = problem;
    this.#region = allocateNative(regionalBytes(linears, steps.batch));
    const [squares = [], ...gradients] = Array.from({ length: 1 + steps.batch }, (_, set) =>
      weightRefs(linears, this.#region.address + BigInt(set * weightsBytes(linears))),
    );
    this.#squares = squares;
    this.#gradients = gradients;
  }

  /**
   * Takes a step for every `batch` of the windows, in their order.
   *
   * @param onWindow told after every window
   * @throws RunError naming the weight that isn't finite after a step
   */
  async visit(windows: readonly number[], onWindow: (done: number) => void = () => {}): Promise<void> {
    let done = 0;
    for (const { first, count } of partsOf(windows.length, this.#steps.batch)) {
      await this.#differentiate(windows.slice(first, first + count), () => onWindow(++done));
      await this.#step(count);
    }
  }

  /** The mean over the windows of ‖f(x) − target‖₂², with the weights as they are. */
  async loss(windows: readonly number[]): Promise<number> {
    let loss = 0;
    for (const { first, count } of partsOf(windows.length, this.#steps.batch)) {
      loss += await this.#differentiate(windows.slice(first, first + count));
    }
    return loss / windows.length;
  }

  dispose(): void {
    freeNative(this.#region);
  }

  /** Leaves the gradients of at most `batch` windows in their places, and returns the sum of their losses. */
  async #differentiate(windows: readonly number[], onDone?: () => void): Promise<number> {
    const tasks = windows.map((window, slot) => this.#windowArguments(window, slot));
    const results = await this.#pool.map('forward/window-task', runWindow, tasks, onDone);
    return results.reduce((sum, { returned }) => sum + (returned[LOSS_OUTPUT]?.[0] ?? 0), 0);
  }

  #windowArguments(window: number, slot: number) {
    const { block, weights, linears, inputs, targets } = this.#problem;
    const { tokens } = targets;
    const { hiddenSize } = inputs;
    const names = linears.map(({ name }) => name);
    const shape = [tokens, hiddenSize];
    return {
      graph: this.#graphs.get(
        `output error ${block.graphKey} ${tokens} ${names.join(' ')}`,
        () => regionalGradientGraph(block, tokens, names, 'output error'),
        this.#steps.batch === 1 ? LONE_WINDOW_THREADS : 1,
      ),
      weights,
      path: inputs.path,
      record: inputs.offset(window),
      reads: [
        { name: HIDDEN_INPUT, shape, offset: 0 },
        {
          name: TARGET_INPUT,
          shape,
          offset: 0,
          from: { path: targets.path, record: targets.offset(window) },
        },
      ],
      writes: [],
      captures: gradientCaptures(linears, this.#gradients[slot] ?? []),
      returns: { [LOSS_OUTPUT]: 1 },
    };
  }

  /** @param windows whose gradients there are */
  async #step(windows: number): Promise<void> {
    const { block, weights, linears } = this.#problem;
    const { regrow } = this.#steps;
    this.#rates ??= await this.#learningRates();
    const rates = this.#rates;
    const graphOf = (count: number) =>
      this.#graphs.get(`RMSprop ${count} ${windows} ${regrow}`, () => rmspropGraph(count, windows, regrow));
    const tasks = linears.flatMap((linear, index) =>
      partsOf(elementsOf(linear), TASK_ELEMENTS).map(({ first, count }) => ({
        name: weightName(block, linear),
        rate: rates[index] ?? 0,
        weights: weights[`${linear.name}.weight`]?.address ?? 0n,
        squares: this.#squares[index]?.address ?? 0n,
        gradients: this.#gradients.slice(0, windows).map((slot) => slot[index]?.address ?? 0n),
        parts: partsOf(count, PART_ELEMENTS).map((part) => ({
          first: first + part.first,
          count: part.count,
          graph: graphOf(part.count),
        })),
      })),
    );
    await this.#pool.map('solvers/rmsprop-task', takeStep, tasks);
  }
  async #learningRates(): Promise<number[]> {
    const { weights, linears } = this.#problem;
    const { learningRate } = this.#steps;
    if (learningRate !== 'auto') return linears.map(() => learningRate);
    const matrices = linears.map((linear) => ({
      weights: weights[`${linear.name}.weight`]?.address ?? 0n,
      count: elementsOf(linear),
    }));
    const squares = await this.#pool.map('solvers/mean-square-task', meanSquare, matrices);
    return squares.map((square) => AUTOMATIC_RATE * Math.sqrt(square));
  }
}

/**
 * A linear while the alternating direction method of multipliers prunes it.
 * @module
 */
import { RunError } from '../errors.js';
import type { TensorRef } from '../runtime/tensor-ref.js';
import type { WorkerPool } from '../runtime/worker-pool.js';
import { magnitude } from '../scores/magnitude.js';
import { wanda } from '../scores/wanda.js';
import { type Cut, findCuts } from '../sparsity/find-cuts.js';
import { maskZeros, type Pattern } from '../sparsity/pattern.js';
import { pruneByScore } from '../sparsity/prune-by-score.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { allocateNative, freeNative, type NativeRegion } from '../system/native-memory.js';
import {
  type AdmmRows,
  admmStep,
  candidateScores,
  countRemoved,
  finishState,
  markZeros,
  type StateMask,
  startState,
  updateSupport,
  zeroMarked,
} from './admm-task.js';
import { FullHessian, fullHessianBytes } from './full-hessian.js';
import { inversionTaskBytes } from './invert-symmetric.js';
import { fitParts, fitTaskBytes, fittedParts } from './least-squares.js';
import { type FittedRows, hessianProduct } from './least-squares-task.js';

const TASKS = 'solvers/admm-task';

/**
 * For each linear the f32 bytes of its target and state, a byte a weight for its support and its zeros, and the matrix of its
 * inputs; and what a worker keeps of its tasks, of which a step takes less than a fit.
 */
export function admmGroupBytes(linears: readonly { readonly out: number; readonly in: number }[]): {
  readonly group: number;
  readonly linears: readonly number[];
  readonly worker: number;
} {
  return {
    group: 0,
    linears: linears.map((linear) => linear.out * linear.in * 10 + fullHessianBytes(linear.in)),
    worker: Math.max(0, ...linears.map((linear) => inversionTaskBytes(linear.in) + fitTaskBytes(linear))),
  };
}

/** What the state is of. */
export interface AdmmMatrix {
  /** Of the linear, for messages. */
  readonly name: string;
  /** [out, in] f32 */
  readonly weights: TensorRef;
  /** Whether weights that are zero when the state starts are part of every mask. */
  readonly keepZeros?: boolean | undefined;
}

/** How the state's mask is chosen: to a pattern, to a share of the zeros that it has, or as it was the last time. */
export type MaskChoice = Pattern | { readonly pattern: Pattern; readonly share: number } | 'support';

/**
 * Minimises tr((W−Ŵ)·H·(W−Ŵ)ᵀ) over Ŵ with few enough non-zeros, H = (2/tokens)·XᵀX with a damped diagonal, by steps of ADMM in the
 * metric diag(H): Boža 2024 (arXiv 2401.02938) and Meng et al. 2024 (arXiv 2406.07831) with other masks and penalties.
 */
export class AdmmState {
  readonly #pool: WorkerPool;
  readonly #matrix: AdmmMatrix;
  readonly #diagonal: Float64Array;
  /** √H_jj */
  readonly #scales: Float32Array;
  readonly #hessian: FullHessian;
  readonly #region: NativeRegion;
  readonly #fitted: readonly FittedRows[];
  readonly #parts: readonly AdmmRows[];
  #reference = 0;
  #rho = 0;
  #previousRho = 0;

  /**
   * @param diagonal of the damped Hessian, [features], none of it 0
   */
  constructor(pool: WorkerPool, gram: GramRef, matrix: AdmmMatrix, diagonal: Float64Array) {
    const [rows = 0, columns = 0] = matrix.weights.shape;
    const size = rows * columns;
    this.#pool = pool;
    this.#matrix = matrix;
    this.#diagonal = diagonal;
    this.#hessian = new FullHessian(pool, gram);
    this.#region = allocateNative(size * (matrix.keepZeros ? 10 : 9));
    const target = this.#region.address;
    const state = target + BigInt(size * 4);
    const support = state + BigInt(size * 4);
    const zeros = support + BigInt(size);
    this.#scales = Float32Array.from(diagonal, Math.sqrt);
    const scales = this.#scales;
    this.#fitted = fittedParts(matrix.weights, target, this.#hessian.address);
    let before = 0;
    this.#parts = this.#fitted.map((part) => {
      const first = before;
      before += part.rows * columns;
      return {
        rows: part.rows,
        columns,
        weights: part.weights,
        target: part.target,
        state: state + BigInt(first * 4),
        support: support + BigInt(first),
        zeros: matrix.keepZeros ? zeros + BigInt(first) : undefined,
        scales,
      };
    });
  }

  /** Learns the outputs to come close to from the dense weights, and begins with them. */
  async start(): Promise<void> {
    await this.#hessian.fill(this.#diagonal);
    const forms = await this.#pool.map('solvers/least-squares-task', hessianProduct, this.#fitted);
    this.#reference = forms.reduce((sum, form) => sum + form, 0);
    await this.#pool.map(TASKS, markZeros, this.#marked());
    await this.restart();
  }

  /** Begins again with the weights as they are, without multipliers. */
  async restart(): Promise<void> {
    await this.#pool.map(TASKS, startState, this.#parts);
    this.#previousRho = 0;
  }

  /** Makes the zeros among the matrix's weights the support. */
  async zerosToSupport(): Promise<void> {
    const tasks = this.#parts.map((part) => ({ ...part, marks: part.support }));
    await this.#pool.map(TASKS, markZeros, tasks);
  }

  /** Lets the first step see what its mask takes from the weights as multipliers (Boža's order of updates). */
  takeMultipliers(): void {
    this.#previousRho = this.#rho;
  }

  /** The penalty of the steps to come, in units of H_jj. */
  async setPenalty(rho: number): Promise<void> {
    this.#rho = rho;
    const failedAt = await this.#hessian.fillInverse(this.#diagonal.map((value) => value * (1 + rho)));
    if (failedAt === undefined) return;
    throw new RunError(
      `${this.#matrix.name}: the Hessian is not positive definite at feature ${failedAt}; more calibration tokens or a larger damping would help`,
    );
  }

  /** Chooses the state's mask and makes it the support. Returns in how many places it is another than before. */
  async updateSupport(choice: MaskChoice): Promise<number> {
    const masks = await this.#masks(choice);
    const tasks = this.#parts.map((part, index) => ({ ...part, mask: masks[index] as StateMask }));
    const changed = await this.#pool.map(TASKS, updateSupport, tasks);
    return changed.reduce((sum, count) => sum + count, 0);
  }

  /** Makes the mask of the pattern the support; returns whether all that it prunes is zero already. */
  async isPruned(pattern: Pattern): Promise<boolean> {
    await this.updateSupport(pattern);
    const counts = await this.#pool.map(TASKS, countRemoved, this.#parts);
    return counts.every((count) => count === 0);
  }

  /** @param keepWeights whether the matrix's weights become those of this step, which aren't pruned */
  async step(choice: MaskChoice, keepWeights: boolean): Promise<void> {
    const masks = await this.#masks(choice);
    const tasks = this.#parts.map((part, index) => ({
      ...part,
      mask: masks[index] as StateMask,
      inverse: this.#hessian.address,
      rho: this.#rho,
      previousRho: this.#previousRho,
      keepWeights,
    }));
    await this.#pool.map(TASKS, admmStep, tasks);
    this.#previousRho = this.#rho;
  }

  /** Gives the matrix the weights of the state, pruned by its mask. */
  async finish(choice: MaskChoice): Promise<void> {
    const masks = await this.#masks(choice);
    const tasks = this.#parts.map((part, index) => ({ ...part, mask: masks[index] as StateMask }));
    await this.#pool.map(TASKS, finishState, tasks);
  }

  /** Prunes the matrix's weights as they are by |w_ij|·√H_jj. */
  async pruneWeights(pattern: Pattern): Promise<void> {
    await this.#pool.map(TASKS, zeroMarked, this.#marked());
    await pruneByScore(
      this.#pool,
      wanda,
      { ...this.#matrix, pattern, columnNorms: this.#scales },
      { comparisonGroup: 'tensor' },
    );
  }

  /** Fits the matrix's weights that aren't zero. Returns ½·tr(ΔHΔᵀ). */
  async fitSurvivors(iterations: number): Promise<number> {
    await this.#hessian.fill(this.#diagonal);
    return (this.#reference + (await fitParts(this.#pool, this.#fitted, this.#diagonal, iterations))) / 2;
  }

  dispose(): void {
    this.#hessian.dispose();
    freeNative(this.#region);
  }

  /** The parts that have zeros to keep. */
  #marked() {
    return this.#parts.flatMap((part) => (part.zeros === undefined ? [] : [{ ...part, marks: part.zeros }]));
  }

  async #masks(choice: MaskChoice): Promise<StateMask[]> {
    if (choice === 'support') return this.#parts.map(() => ({ kind: 'support' }));
    const { pattern, share } = 'kind' in choice ? { pattern: choice, share: 1 } : choice;
    const [rows = 0, columns = 0] = this.#matrix.weights.shape;
    const zeros = Math.floor(maskZeros(pattern, rows, columns) * share);
    if (pattern.kind === 'unstructured') {
      const cuts = await this.#cuts(zeros, ({ state }) => state);
      return cuts.map((cut) => ({ kind: 'threshold', ...cut }));
    }
    if (share === 1) return this.#parts.map(() => pattern);
    const tasks = this.#parts.map((part) => ({ ...part, mask: pattern }));
    await this.#pool.map(TASKS, candidateScores, tasks);
    const cuts = await this.#cuts(zeros, ({ weights }) => weights);
    return cuts.map(({ threshold }) => ({ ...pattern, below: threshold + 1 }));
  }

  /** Cuts off the smallest magnitudes. */
  async #cuts(zeros: number, addressOf: (part: AdmmRows) => bigint): Promise<Cut[]> {
    const scored = this.#parts.map((part) => ({
      score: magnitude.name,
      name: this.#matrix.name,
      place: { address: addressOf(part) },
      rows: part.rows,
      columns: part.columns,
      vectors: { columns: [], rows: [] },
      goFirst: part.zeros,
    }));
    return await findCuts(this.#pool, scored, zeros);
  }
}

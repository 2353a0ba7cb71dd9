/**
 * Equal marginal losses: what one more pruned weight costs is the same in every linear.
 *
 * The loss of a linear at sparsity s is the share of its output's energy that goes when each row loses its smallest
 * |w_ij|·‖X_j‖, E(s) = Σ_pruned (w_ij‖X_j‖)² / Σ (w_ij‖X_j‖)², as if the features of its input were uncorrelated. Relative as it
 * is, it compares across linears. E is measured at a few sparsities and taken for e^(a + b·s), with the least squares in ln E.
 * The mean of E over weights is least for a given number of zeros where the derivative b·e^(a + b·s) is the same in all linears
 * (Lagrange), within the bound. (The plain sum of E, in which small linears count as much as large ones, takes so much more
 * from the MLP that perplexity was far worse than with one sparsity for all.)
 * @module
 */

import { z } from 'zod';
import { weightCount } from '../../model/description.js';
import { storedParts } from '../../sparsity/stored-parts.js';
import { probeSquares } from '../../statistics/score-sums-task.js';
import { type Allocation, NO_ALLOCATION_WORK } from './allocation.js';
import { measuredLinear, measuringWindows, sparsityBound } from './dense-linears.js';
import { sparsityRange } from './share-out.js';

const probe = z.number().gt(0).lt(1);

const options = z
  .strictObject({
    probes: z
      .array(probe)
      .min(2)
      .max(9)
      .refine((list) => new Set(list).size === list.length, 'expected sparsities that differ')
      .default([0.4, 0.6, 0.8])
      .describe('Sparsities at which the loss of every linear is measured.'),
    bound: sparsityBound,
    windows: measuringWindows,
  })
  .describe('Loss: one more pruned weight costs the same share of its output in every linear.');

export const loss: Allocation = {
  name: 'loss',
  options,
  looks: true,
  windows: (given) => options.parse(given).windows,
  spread: (_goal, given) => 2 * options.parse(given).bound,
  async share(pool, { linears, goal = 0, onStep }, given) {
    const { probes, bound } = options.parse(given);
    let done = 0;
    const curves: LossCurve[] = linears.map(() => ({ size: 0, level: 0, slope: 0 }));
    await pool.forEach([...linears.map(measuredLinear).entries()], async ([index, linear]) => {
      const parts = storedParts(linear, 'wanda', linear.columnNorms).map((part) => ({ ...part, probes }));
      const sums = await pool.map('statistics/score-sums-task', probeSquares, parts);
      const all = sums.reduce((sum, part) => sum + part.all, 0);
      const gone = probes.map((_, i) => sums.reduce((sum, part) => sum + (part.gone[i] as number), 0));
      const losses = gone.map((lost) => (all === 0 ? 0 : lost / all));
      curves[index] = { size: linear.size, ...fitLoss(probes, losses) };
      onStep(++done, linears.length);
    });
    return { sparsities: equalMarginals(goal, curves, bound), isExact: false };
  },
  work: (linears, _workers, given) => ({
    ...NO_ALLOCATION_WORK,
    scored: options.parse(given).probes.length * weightCount(linears),
  }),
};

/** ln E(s) = level + slope · s, slope above 0. */
export interface LossFit {
  readonly level: number;
  readonly slope: number;
}

export interface LossCurve extends LossFit {
  /** Weights of the linear. */
  readonly size: number;
}

/** Where nothing or hardly anything is lost, as by weights that are 0 already, the logarithm is that of this. */
const LEAST_LOSS = 1e-12;
const LEAST_SLOPE = 1e-3;

/** The line through ln loss with the least squares. */
export function fitLoss(probes: readonly number[], losses: readonly number[]): LossFit {
  const logs = losses.map((value) => Math.log(Math.max(LEAST_LOSS, value)));
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [s, y] = [mean(probes), mean(logs)];
  const product = mean(probes.map((probe, i) => (probe - s) * ((logs[i] as number) - y)));
  const slope = Math.max(LEAST_SLOPE, product / mean(probes.map((probe) => (probe - s) ** 2)));
  return { level: y - slope * s, slope };
}

/**
 * The sparsities whose mean over weights is the goal, and with which slope · e^(level + slope · s) is the same for all that aren't
 * at the end of their range.
 *
 * @param bound how far a sparsity may lie from the goal
 */
export function equalMarginals(goal: number, curves: readonly LossCurve[], bound: number): number[] {
  const { least, most } = sparsityRange(goal, bound);
  /** The logarithm of what one more pruned weight costs. */
  const marginal = ({ level, slope }: LossCurve, s: number) => Math.log(slope) + level + slope * s;
  const at = (price: number) =>
    curves.map((curve) => Math.min(most, Math.max(least, (price - marginal(curve, 0)) / curve.slope)));
  const total = curves.reduce((sum, { size }) => sum + size, 0);
  const mean = (price: number) =>
    at(price).reduce((sum, s, i) => sum + s * (curves[i] as LossCurve).size, 0) / total;
  let low = Math.min(...curves.map((curve) => marginal(curve, least)));
  let high = Math.max(...curves.map((curve) => marginal(curve, most)));
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    if (mean(middle) < goal) low = middle;
    else high = middle;
  }
  return at(high);
}

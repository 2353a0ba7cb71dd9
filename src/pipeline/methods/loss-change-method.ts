/**
 * Oracle pruning as a method (Molchanov et al. 2017, arXiv 1611.06440): what goes is what measurably changes the model's
 * cross-entropy least. To measure every candidate is rarely possible, so they are screened by the change of their linear's
 * output, and those nearest to the cut are measured.
 * @module
 */
import { z } from 'zod';
import type { MeanEstimate } from '../../evaluation/mean-estimate.js';
import { elementCount } from '../../graph/value.js';
import { type LinearDescription, weightCount } from '../../model/description.js';
import { formatCount } from '../../report/format.js';
import { groupMaskCount } from '../../sparsity/group-masks.js';
import {
  type ChosenMask,
  candidateCount,
  type LossCandidates,
  lossCandidates,
} from '../../sparsity/loss-candidates.js';
import { type Pattern, patternName, zeroCount } from '../../sparsity/pattern.js';
import { Tiling } from '../../sparsity/tiling.js';
import { float32View } from '../../system/native-memory.js';
import { type Method, type MethodLinear, type MethodOutcome, NO_WORK } from './method.js';

/** The mask that the linear's outputs alone would have chosen, and the one that is taken where it is better. */
const WHOLE_MASKS = 2;

/** Masks of a group that are looked at, at most: those of 4:8 are 70, of 8:16 there are 12,870. */
const MOST_MASKS = 1_000;

/** Beside what is held for each tile: indices of whole masks and the weights under them. Bytes a weight, at most. */
const BYTES = { tile: 28, weight: 20 };

/** Multiplications in JavaScript take so many times as long as those in kernels, whose speed plans go by. */
const PLAIN_OPERATIONS = 20;

const side = z.int().min(1).max(1_000_000);

const options = z
  .strictObject({
    exact: z
      .boolean()
      .default(false)
      .describe(
        'true: every candidate is measured; false: those nearest to the cut, by what they do to the outputs of their linear.',
      ),
    measurements: z
      .int()
      .min(WHOLE_MASKS)
      .max(1_000_000)
      .default(32)
      .describe('Most measurements of a linear, two of whole masks among them; where exact is false.'),
    exact_limit: z
      .int()
      .min(1)
      .default(2_000)
      .describe('Most candidates of a linear where exact is true; more are refused before anything is done.'),
    windows: z
      .int()
      .min(1)
      .default(8)
      .describe('Calibration windows, from the first, on which losses are measured.'),
    tokens: z.int().min(2).default(128).describe('Tokens of each of these windows, from its first.'),
    tile: z
      .tuple([side, side])
      .default([1, 1])
      .describe(
        'Rows and columns of the weights that go together where the goal is a sparsity; N:M has its groups. Of the last tile only as many go as are needed.',
      ),
  })
  .describe(
    "Loss change: what goes is what changes the model's cross-entropy least, as it is measured. For small models.",
  );

type Options = z.output<typeof options>;

/** Candidates of a linear that may be measured. */
function mostCandidates({ exact, measurements }: Options): number {
  return exact ? Number.POSITIVE_INFINITY : measurements - WHOLE_MASKS;
}

export const lossChangeMethod: Method = {
  name: 'loss_change',
  options,
  statistics: 'gram',
  loss(given) {
    const chosen = options.parse(given);
    const candidates = ({ out, in: inputs }: LinearDescription, pattern: Pattern) =>
      candidateCount(out, inputs, pattern, chosen.tile);
    return {
      windows: chosen.windows,
      tokens: chosen.tokens,
      measurements(linear, pattern) {
        if (pattern.kind === 'unstructured' && zeroCount(linear.out * linear.in, pattern.sparsity) === 0)
          return 0;
        return Math.min(mostCandidates(chosen), candidates(linear, pattern)) + WHOLE_MASKS;
      },
      refusal: (linear, pattern) => refusal(chosen, candidates(linear, pattern), pattern),
    };
  },
  async prune(pool, { name: groupName, linears, statistics, lossChanges }, given) {
    const { gram } = statistics;
    if (!gram || !lossChanges) throw new Error(`${groupName}: loss_change without a Gram matrix or losses`);
    const chosen = options.parse(given);
    const started = performance.now();
    const problems: Problem[] = [];
    for (const linear of linears) {
      const { weights, pattern, keepZeros } = linear;
      const problem = { weights, pattern, keepZeros, gram, tile: chosen.tile };
      const candidates = await lossCandidates(pool, problem, mostCandidates(chosen));
      problems.push({ linear, candidates, screened: candidates.mask() });
    }
    const contenders = problems.flatMap(({ linear, candidates }) =>
      candidates.contenders.map((indices) => ({ linear, indices })),
    );
    const losses = await lossChanges(contenders);
    const choices = problems.map((problem) => {
      const own = losses.splice(0, problem.candidates.contenders.length);
      const measured = problem.candidates.mask(own.map(({ mean }) => mean));
      return { ...problem, masks: distinct([problem.screened, measured]) };
    });
    const changes = await lossChanges(
      choices.flatMap(({ linear, masks }) =>
        masks.map(({ indices }) => ({ linear, indices: () => indices })),
      ),
    );
    const seconds = (performance.now() - started) / 1000 / linears.length;
    const outcomes = new Map<string, MethodOutcome>();
    for (const { linear, candidates, screened, masks } of choices) {
      const own = masks.map((mask) => ({ mask, change: changes.shift() as MeanEstimate }));
      const [first] = own;
      const { mask, change } = own.toSorted((a, b) => a.change.mean - b.change.mean)[0] ?? { mask: screened };
      zero(linear, mask.indices);
      const measurements = candidates.contenders.length + own.length;
      outcomes.set(linear.name, {
        predictedLoss: mask.outputLoss,
        damping: null,
        measuredLoss: first && change && { change, screened: first.change, measurements },
        seconds,
        notes: [],
      });
    }
    return outcomes;
  },
  work({ linears }, given) {
    const { tile } = options.parse(given);
    const weights = weightCount(linears);
    const tiles = linears.reduce((sum, linear) => sum + new Tiling(linear.out, linear.in, tile).count, 0);
    return {
      ...NO_WORK,
      bytes: { group: tiles * BYTES.tile + weights * BYTES.weight, linears: linears.map(() => 0) },
      columnFlops: PLAIN_OPERATIONS * 2 * weights * Math.max(tile[1], 8),
      scored: weights,
    };
  },
};

interface Problem {
  readonly linear: MethodLinear;
  readonly candidates: LossCandidates;
  readonly screened: ChosenMask;
}

/** Those that take something away, each once. */
function distinct(masks: readonly ChosenMask[]): ChosenMask[] {
  return masks.filter(
    ({ indices }, at) =>
      indices.length > 0 && !masks.slice(0, at).some((before) => isEqual(before.indices, indices)),
  );
}

function isEqual(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at]);
}

function zero({ weights: { address, shape } }: MethodLinear, indices: Uint32Array): void {
  const weights = float32View(address, elementCount(shape));
  for (const index of indices) weights[index] = 0;
}

function refusal(
  { exact, exact_limit: limit }: Options,
  candidates: number,
  pattern: Pattern,
): string | undefined {
  const masks = pattern.kind === 'n:m' ? groupMaskCount(pattern.of, pattern.of - pattern.keep) : 1;
  if (masks > MOST_MASKS) {
    return `loss_change looks at every mask of a group, and ${patternName(pattern)} has ${formatCount(masks)}; at most ${formatCount(MOST_MASKS)} are allowed`;
  }
  if (!exact || candidates <= limit) return undefined;
  return `exact: true would measure ${formatCount(candidates)} candidates, and prune.options.exact_limit is ${formatCount(limit)}; raise it, leave exact out, or take larger tiles`;
}

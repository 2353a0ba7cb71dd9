/**
 * What a run will cost: operations, bytes, memory. Formulas, no measuring.
 * @module
 */
import { headSliceRows, streamBytes } from '../forward/model-stream.js';
import type { BlockPass, BlockPasses } from '../graph/block-passes.js';
import { elementCount } from '../graph/value.js';
import { type BlockDescription, inputGroups } from '../model/description.js';
import { activationBytes, gramBytes } from '../statistics/collect-statistics.js';
import { gramStrips, stripElements } from '../statistics/gram-layout.js';
import type { PreparedRun } from './prepare-run.js';
import { blockPasses } from './prune-blocks.js';

/** Floating-point operations (a multiply and an add are two). */
export interface Flops {
  readonly forward: number;
  readonly gram: number;
  readonly solve: number;
  readonly propagate: number;
  readonly evaluation: number;
}

/** Operations of a window through a block: its matrices, and the causal half of attention's two products. */
function blockFlops(block: BlockDescription, tokens: number, withLast: boolean): number {
  const last = block.linears.at(-1);
  const matrices = block.linears.reduce((sum, linear) => {
    return sum + (linear === last && !withLast ? 0 : 2 * linear.out * linear.in * tokens);
  }, 0);
  return matrices + 2 * block.hiddenSize * tokens * tokens;
}

export function estimateFlops(run: PreparedRun): Flops {
  const { model, calibration, windows, gramWindows, evaluation, config } = run;
  const tokens = calibration?.sequenceLength ?? 0;
  const sum = (f: (block: BlockDescription) => number) =>
    model.blocks.reduce((total, block) => total + f(block), 0);
  const prunes = windows > 0;
  // With pruned inputs the statistics passes compute everything but the last linear for good.
  const computed = (block: BlockDescription) =>
    config.calibration?.inputs === 'dense' ? 0 : blockFlops(block, tokens, false);
  const usesGram = run.method.statistics === 'gram';

  const evaluationSets =
    evaluation && config.evaluation
      ? [
          { windows: evaluation.windows, tokens: evaluation.context },
          { windows: Math.min(config.evaluation.calibration_windows, calibration?.samples ?? 0), tokens },
        ]
      : [];
  const evaluationFlops = evaluationSets.reduce(
    (total, set) =>
      total +
      2 *
        set.windows *
        (sum((block) => blockFlops(block, set.tokens, true)) +
          2 * elementCount(model.head.shape) * set.tokens),
    0,
  );
  return {
    forward: prunes ? windows * sum((block) => blockFlops(block, tokens, false)) : 0,
    gram: sum((block) =>
      inputGroups(block).reduce(
        (total, { size }) => total + 2 * stripElements(gramStrips(size)) * gramWindows * tokens,
        0,
      ),
    ),
    // Cholesky and inverse (n³/3 each, twice for multiply and add), the updates (out · in²), two quadratic forms.
    solve: sum((block) => {
      const factors = usesGram
        ? inputGroups(block).reduce((total, { size }) => total + (4 / 3) * size ** 3, 0)
        : 0;
      const updates = block.linears.reduce((total, linear) => total + linear.out * linear.in ** 2, 0);
      return factors + (usesGram ? updates : 0) + (gramWindows > 0 ? 2 * updates : 0);
    }),
    propagate: prunes ? windows * sum((block) => blockFlops(block, tokens, true) - computed(block)) : 0,
    evaluation: evaluationFlops,
  };
}

export interface MemoryPart {
  readonly name: string;
  readonly bytes: number;
}

/** Node, onnxruntime and the code itself; then each worker thread with its heap and its sessions' own needs. */
const PROCESS_BYTES = 200e6;
const WORKER_BYTES = 55e6;

/** What will be resident at the worst moment, part by part. */
export function estimateMemory(run: PreparedRun): MemoryPart[] {
  const { model, method, calibration, evaluation, workers, gramWindows } = run;
  const plans = run.windows > 0 ? model.blocks.map((block, index) => blockPasses(run, index, block)) : [];
  const largestPass = (f: (pass: BlockPass, passes: BlockPasses) => number) =>
    Math.max(0, ...plans.flatMap((passes) => passes.passes.map((pass) => f(pass, passes))));
  const largest = (f: (block: BlockDescription) => number) => Math.max(...model.blocks.map(f));
  const tokens = Math.max(run.windows > 0 ? (calibration?.sequenceLength ?? 0) : 0, evaluation?.context ?? 0);
  const widest = largest((block) => Math.max(...block.linears.map(({ out }) => out)));
  // Per token: the hidden states in and out, their norms and residuals, and the three widest activations of the MLP.
  const activations = tokens * (6 * model.hiddenSize + 3 * widest) * 4;
  const logits = tokens > 0 && evaluation ? 3 * 256 * headSliceRows(model) * 4 : 0;
  const parts: MemoryPart[] = [
    { name: 'process', bytes: PROCESS_BYTES + workers * WORKER_BYTES },
    { name: 'weights of one block (f32)', bytes: streamBytes(model) },
    { name: 'activations in workers', bytes: workers * Math.max(activations, logits) },
  ];
  if (gramWindows > 0) {
    parts.push(
      { name: 'Gram matrices', bytes: largestPass(({ groups }) => gramBytes(groups)) },
      {
        name: 'activations for the Gram matrices',
        bytes: largestPass((pass, passes) => activationBytes(passes, pass, workers)),
      },
    );
  }
  if (method.statistics === 'gram') {
    // All groups are factored at once, and a matrix keeps its errors while it is solved.
    parts.push({
      name: 'factors and errors',
      bytes:
        largestPass(({ groups }) => gramBytes(groups)) +
        largest((block) => block.linears.reduce((sum, l) => sum + l.out * l.in * 4, 0)),
    });
  }
  return parts;
}

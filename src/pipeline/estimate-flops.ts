/**
 * The arithmetic of a run.
 * @module
 */
import { elementCount } from '../graph/value.js';
import { type BlockDescription, inputGroups } from '../model/description.js';
import { gramStrips, stripElements } from '../statistics/gram-layout.js';
import type { PreparedRun } from './prepare-run.js';

/** Floating-point operations (a multiply and an add are two). */
export interface Flops {
  readonly forward: number;
  readonly gram: number;
  /** Factors of the inverse Hessians. */
  readonly factor: number;
  /** What the surviving weights make up for. */
  readonly solve: number;
  readonly outputErrors: number;
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
  // Cholesky and inverse: n³/3 each, twice for multiply and add.
  const factors = sum((block) =>
    inputGroups(block).reduce((total, { size }) => total + (4 / 3) * size ** 3, 0),
  );
  const updates = sum((block) =>
    block.linears.reduce((total, linear) => total + linear.out * linear.in ** 2, 0),
  );
  return {
    forward: prunes ? windows * sum((block) => blockFlops(block, tokens, false)) : 0,
    gram: sum((block) =>
      inputGroups(block).reduce(
        (total, { size }) => total + 2 * stripElements(gramStrips(size)) * gramWindows * tokens,
        0,
      ),
    ),
    factor: usesGram ? factors : 0,
    solve: usesGram ? updates : 0,
    // Two quadratic forms.
    outputErrors: gramWindows > 0 ? 2 * updates : 0,
    propagate: prunes ? windows * sum((block) => blockFlops(block, tokens, true) - computed(block)) : 0,
    evaluation: evaluationFlops,
  };
}

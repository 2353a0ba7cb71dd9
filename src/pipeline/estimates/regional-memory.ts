/**
 * Memory of what is done to each block before it is pruned.
 * @module
 */
import { peakIntermediateBytes } from '../../graph/intermediate-bytes.js';
import { regionalBytes } from '../../solvers/regional-optimiser.js';
import { gramBytes } from '../../statistics/collect-statistics.js';
import { prunedLinears } from '../blocks/unit-layers.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { prunePlans } from '../prepare/prune-plans.js';
import { backwardSessions } from './backward-sessions.js';
import { regionalGraphs, targetGraphs } from './estimate-flops.js';
import { heldGradients } from './gradient-memory.js';
import type { MemoryMoment, MemoryPart, StageMemory } from './stage-memory.js';

export interface RegionalMemory extends StageMemory {
  /** Bytes of each of its sessions, which workers keep while they are small. */
  readonly sessions: readonly number[];
  /** What is held while the block is being pruned. */
  readonly held: readonly MemoryPart[];
}

export function regionalMemory(run: PreparedRun): RegionalMemory {
  const { regional } = run;
  const gradients = backwardSessions(regionalGraphs(run, 'output norm'));
  const steps = [
    ...backwardSessions(regionalGraphs(run, 'output error')),
    ...targetGraphs(run).map(({ graph }) => peakIntermediateBytes(graph)),
  ];
  const { optimisations = [] } = regional ?? {};
  const batch = Math.max(0, ...optimisations.map((each) => each.batch));
  const states = run.model.blocks.map((block) => regionalBytes(prunedLinears(run, block), batch));
  const optimiser = {
    name: 'gradients and mean squares of one block',
    bytes: batch > 0 ? Math.max(...states) : 0,
  };
  // What was measured last stays until the next pass.
  const measured = prunePlans(run).flatMap(({ passes }) => passes.map(({ groups }) => gramBytes(groups)));
  const grams = {
    name: 'Gram matrices',
    bytes: run.gramWindows > 0 ? Math.max(0, ...measured) : 0,
  };
  return {
    sessions: [...gradients, ...steps],
    held: optimisations.some(({ regrow }) => regrow) ? [optimiser] : [],
    // The input of a block, and its dense output.
    buffers: regional ? 2 * regional.tokens * run.model.hiddenSize * 4 : 0,
    moments(settings, { process, activations, weights }) {
      const moments: MemoryMoment[] = [];
      const parts = [process('differentiating'), weights, grams];
      if (regional?.gradients) {
        const held = heldGradients(run, settings, regional.gradients);
        moments.push({ moment: 'collecting gradients', parts: [...parts, activations(gradients), held] });
      }
      if (batch > 0) {
        const sessions = activations([...gradients, ...steps]);
        moments.push({ moment: 'optimising blocks', parts: [...parts, sessions, optimiser] });
      }
      return moments;
    },
  };
}

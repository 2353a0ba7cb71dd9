/**
 * Memory of sharing the sparsity among the linears.
 * @module
 */
import type { PreparedRun } from '../prepare/prepare-run.js';
import { measuringPlans } from '../prepare/prune-plans.js';
import { allocationWork } from './estimate-flops.js';
import type { MemoryMoment, StageMemory } from './stage-memory.js';
import { windowNeeds } from './window-needs.js';

/** @param garbage bytes of buffers that a worker has replaced and not yet freed, at most */
export function allocationMemory(run: PreparedRun, garbage: number): StageMemory {
  const { allocation } = run;
  const tokens = run.calibration?.sequenceLength ?? 0;
  const { sessions, buffers } = windowNeeds(measuringPlans(run), {
    windows: allocation.windows,
    gramWindows: 0,
    moments: false,
    targets: false,
  });
  return {
    buffers,
    moments({ workers }, { process, activations, routing, weights }) {
      const moments: MemoryMoment[] = [];
      if (allocation.windows > 0) {
        const parts = [
          process('evaluating'),
          weights,
          activations(sessions),
          routing(allocation.windows * tokens),
        ];
        moments.push({ moment: 'measuring the dense model', parts });
      }
      if (allocation.looks) {
        const { bytes } = allocationWork(run, workers);
        const held = { name: 'counts and spectra', bytes: bytes + Math.min(bytes, workers * garbage) };
        const parts = [process('evaluating'), activations(sessions), held];
        moments.push({ moment: 'sharing the sparsity', parts });
      }
      return moments;
    },
  };
}

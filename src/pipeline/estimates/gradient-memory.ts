/**
 * Memory of collecting the dense model's gradients, and of methods that then prune from file to file.
 * @module
 */

import { unitsOf } from '../../model/description.js';
import { TASK_ELEMENTS as HISTOGRAM_TASK_ELEMENTS, histogramBytes } from '../../sparsity/prune-by-score.js';
import { gradientBytes } from '../../statistics/sum-gradients.js';
import { layerWeightName } from '../layer-plan.js';
import type { MemorySettings } from '../memory-settings.js';
import type { PreparedRun } from '../prepare-run.js';
import { linearsAtOnce } from '../prune-stored-blocks.js';
import { prunedLinears } from '../unit-layers.js';
import { backwardSessions } from './backward-sessions.js';
import { gradientGraphs } from './estimate-flops.js';
import { headGradientSessions } from './head-sessions.js';
import type { CommonParts, MemoryMoment, MemoryPart, StageMemory } from './stage-memory.js';

/** It is loaded while workers wait for the disk. */
const CHARTS_CODE_BYTES = 28e6;

export function gradientMemory(run: PreparedRun): StageMemory {
  const { gradients, method } = run;
  const backward = backwardSessions(gradientGraphs(run));
  const inWorkers = (settings: MemorySettings, { process, activations }: CommonParts): MemoryPart[] => {
    if (!gradients) return [process('nothing with graphs'), activations([])];
    const head = headGradientSessions(run, gradients.tokens, settings.logitTokens);
    return [process('differentiating'), activations([...backward, ...head])];
  };
  return {
    // The input of a block, the gradient behind it, and the one before it.
    buffers: gradients ? 3 * gradients.tokens * run.model.hiddenSize * 4 : 0,
    moments(settings, common) {
      const moments: MemoryMoment[] = [];
      const parts = inWorkers(settings, common);
      if (gradients) {
        const held = heldGradients(run, settings, gradients.windows);
        const routed = common.routing(gradients.windows * gradients.tokens);
        moments.push({ moment: 'collecting gradients', parts: [...parts, common.weights, held, routed] });
      }
      if (method.pruneStored) {
        // Workers keep the sessions that they have.
        const histograms = {
          name: 'histograms of scores',
          bytes: storedHistogramBytes(run, linearsAtOnce(settings)),
        };
        const charts = { name: 'code of the charts', bytes: CHARTS_CODE_BYTES };
        moments.push({ moment: 'pruning linears', parts: [...parts, histograms, charts] });
      }
      return moments;
    },
  };
}

/** Of the block, or expert, with the most weights. @param windows that gradients are taken over */
export function heldGradients(run: PreparedRun, settings: MemorySettings, windows: number): MemoryPart {
  const { workers, activations } = settings;
  const blocks = run.model.blocks
    .flatMap(unitsOf)
    .map((unit) => gradientBytes(prunedLinears(run, unit), workers, Math.min(activations, windows)));
  return { name: 'gradients of one block', bytes: Math.max(...blocks) };
}

/** Of 16 stored bits the low ones are always 0, and few of the high ones occur: bytes of a task's counts. */
const STORED_HISTOGRAM_BYTES = 65_536;

/** Of the `atOnce` largest linears. */
function storedHistogramBytes({ layers, locate }: PreparedRun, atOnce: number): number {
  return layers
    .flatMap(({ unit, linear, pattern }) => {
      if (pattern === 'dense' || pattern.kind === 'n:m') return [];
      const { dtype } = locate(layerWeightName({ unit, linear }));
      const elements = linear.out * linear.in;
      if (dtype === 'F32') return [histogramBytes(elements)];
      return [Math.ceil(elements / HISTOGRAM_TASK_ELEMENTS) * STORED_HISTOGRAM_BYTES];
    })
    .sort((a, b) => b - a)
    .slice(0, atOnce)
    .reduce((sum, bytes) => sum + bytes, 0);
}

/**
 * Memory of collecting the dense model's gradients, and of methods that then prune from file to file.
 * @module
 */

import { expertWindowTokens } from '../../forward/expert-routing.js';
import type { BlockDescription } from '../../model/description.js';
import { TASK_ELEMENTS as HISTOGRAM_TASK_ELEMENTS, histogramBytes } from '../../sparsity/prune-by-score.js';
import { gradientBytes } from '../../statistics/sum-gradients.js';
import { linearsAtOnce } from '../blocks/prune-stored-blocks.js';
import { prunedLinears } from '../blocks/unit-layers.js';
import type { GradientNeeds } from '../methods/method.js';
import { layerWeightName } from '../prepare/layer-plan.js';
import type { MemorySettings } from '../prepare/memory-settings.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
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
        const held = heldGradients(run, settings, gradients);
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

/** Of the block, or expert, that takes the most. All tokens may go to one expert, in windows of its own. */
export function heldGradients(
  run: PreparedRun,
  { workers, activations }: MemorySettings,
  { windows, tokens }: Pick<GradientNeeds, 'windows' | 'tokens'>,
): MemoryPart {
  const bytesOf = (unit: BlockDescription, ownWindows: number) =>
    gradientBytes(prunedLinears(run, unit), workers, Math.min(activations, ownWindows));
  const units = run.model.blocks.flatMap((block) => {
    const { experts } = block;
    const own = bytesOf(block, windows);
    if (!experts) return [own];
    const all = windows * tokens;
    const ofExpert = Math.ceil(all / expertWindowTokens(experts, all));
    return [own, ...experts.units.map((unit) => bytesOf(unit, ofExpert))];
  });
  return { name: 'gradients of one block', bytes: Math.max(...units) };
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

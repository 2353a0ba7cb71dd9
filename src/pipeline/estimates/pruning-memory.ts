/**
 * Memory of measuring and pruning the linears of a block.
 * @module
 */
import type { BlockPass, BlockPasses } from '../../graph/block-passes.js';
import type { LinearDescription } from '../../model/description.js';
import { fitTargetBytes, fitTargetTaskBytes } from '../../solvers/fit-targets.js';
import { activationBytes, gramBytes } from '../../statistics/collect-statistics.js';
import { targetBytes, waitingBytes } from '../../statistics/collect-targets.js';
import { outputErrorBytes } from '../../statistics/output-error.js';
import { lossTokenBytes } from '../blocks/measure-loss.js';
import type { GroupWork } from '../methods/method.js';
import type { MemorySettings } from '../prepare/memory-settings.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { prunePlans } from '../prepare/prune-plans.js';
import { pruningExperts } from './expert-plans.js';
import { logitsSessions } from './head-sessions.js';
import type { RegionalMemory } from './regional-memory.js';
import type { CommonParts, MemoryMoment, StageMemory } from './stage-memory.js';
import { distinct, wholeWindowNeeds, windowNeeds } from './window-needs.js';

/** What the many small tasks of measured losses leave on heaps before it is collected. */
const LOSS_HEAP_BYTES = { process: 30e6, worker: 10e6 };

export function pruningMemory(run: PreparedRun, regional: RegionalMemory): StageMemory {
  const { loss, gramWindows, windows } = run;
  const tokens = run.calibration?.sequenceLength ?? 0;
  const experts = pruningExperts(run);
  const plans = [...prunePlans(run), ...experts.map(({ planned }) => planned)];
  const { moments } = run.method;
  const pruning = windowNeeds(plans, { windows, gramWindows, moments, targets: run.recovery > 0 });
  const measured = loss && wholeWindowNeeds(run, loss.tokens);
  const differentiates = run.gradients !== undefined || run.regional !== undefined;
  const pruned = prunedTogether(plans);
  const kept = keptBySolvers(run, pruned);

  const momentsOf = (
    { pass, passes, linears }: PrunedTogether,
    settings: MemorySettings,
    { process, activations, routing, weights }: CommonParts,
  ): MemoryMoment[] => {
    const { workers, logitTokens } = settings;
    const losses =
      loss && measured ? [...measured.sessions, ...logitsSessions(run, loss.tokens, logitTokens)] : [];
    const largest = Math.max(0, ...linears.map((linear) => linear.in));
    const always = [
      process(differentiates ? 'differentiating' : 'pruning'),
      weights,
      // Sessions of what a worker did before are kept while they are small.
      activations([...pruning.sessions, ...regional.sessions, ...losses]),
      { name: 'Gram matrices', bytes: gramWindows > 0 ? gramBytes(pass.groups) : 0 },
      {
        name: 'buffers for output errors',
        bytes: gramWindows > 0 ? workers * outputErrorBytes(largest) : 0,
      },
      { name: 'buffers of solvers', bytes: workers * kept },
      ...regional.held,
      routing(windows * tokens),
    ];
    const lacks = run.recovery > 0 ? targetBytes(passes, pass) : 0;
    const fitting = lacks > 0 ? Math.max(...pass.groups.map(({ size }) => fitTargetBytes(size))) : 0;
    return [
      {
        moment: 'measuring activations',
        parts: [
          ...always,
          {
            name: 'activations for the Gram matrices',
            bytes: activationBytes(passes, pass, gramWindows, workers, settings.activations),
          },
        ],
      },
      {
        moment: 'measuring what the residual stream lacks',
        parts: [
          ...always,
          { name: 'sums of what it lacks', bytes: lacks },
          {
            name: 'activations for these sums',
            bytes: lacks > 0 ? waitingBytes(passes, pass, windows, workers, settings.activations) : 0,
          },
        ],
      },
      {
        moment: 'pruning linears',
        parts: [
          ...always,
          { name: 'target weights', bytes: lacks },
          {
            name: 'factors, errors and masks',
            bytes: Math.max(solverBytes(run, pass, linears, settings), fitting),
          },
          {
            name: 'measuring losses',
            bytes: loss
              ? lossTokenBytes(run.model, loss) + LOSS_HEAP_BYTES.process + workers * LOSS_HEAP_BYTES.worker
              : 0,
          },
        ],
      },
    ];
  };
  return {
    buffers: Math.max(pruning.buffers, measured?.buffers ?? 0),
    moments: (settings, common) => pruned.flatMap((together) => momentsOf(together, settings, common)),
  };
}

/** The linears that are pruned together, those of a pass. */
interface PrunedTogether {
  readonly passes: BlockPasses;
  readonly pass: BlockPass;
  readonly linears: readonly LinearDescription[];
}

function prunedTogether(plans: readonly BlockPasses[]): PrunedTogether[] {
  return distinct(plans).flatMap((passes) => {
    const pruned = passes.block.linears.filter(({ name }) => passes.pruned.has(name));
    return passes.passes.map((pass) => ({
      passes,
      pass,
      linears: pruned.filter(({ inputGroup }) => pass.groups.some(({ name }) => name === inputGroup)),
    }));
  });
}

function solverBytes(
  run: PreparedRun,
  pass: BlockPass,
  linears: readonly LinearDescription[],
  { oneLinear }: MemorySettings,
): number {
  const together = (list: readonly number[]) =>
    oneLinear ? Math.max(0, ...list) : list.reduce((sum, bytes) => sum + bytes, 0);
  const groups = groupWork(run, pass, linears);
  return (
    together(groups.map(({ bytes }) => bytes.group)) + together(groups.flatMap(({ bytes }) => bytes.linears))
  );
}

/** What each worker keeps of its largest tasks, until it ends: of those of the method, and of fitting targets. */
function keptBySolvers(run: PreparedRun, pruned: readonly PrunedTogether[]): number {
  const ofMethod = pruned.flatMap(({ pass, linears }) =>
    groupWork(run, pass, linears).map(({ bytes }) => bytes.worker ?? 0),
  );
  const ofTargets = pruned
    .filter(({ passes, pass }) => run.recovery > 0 && targetBytes(passes, pass) > 0)
    .flatMap(({ pass }) => pass.groups.map(({ size }) => fitTargetTaskBytes(size)));
  return Math.max(0, ...ofMethod) + Math.max(0, ...ofTargets);
}

function groupWork(
  { method }: PreparedRun,
  pass: BlockPass,
  linears: readonly LinearDescription[],
): GroupWork[] {
  return pass.groups.map(({ name, size }) =>
    method.work({ size, linears: linears.filter(({ inputGroup }) => inputGroup === name) }),
  );
}

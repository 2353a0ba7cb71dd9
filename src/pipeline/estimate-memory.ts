/**
 * What a run will have in memory at its worst moment.
 * @module
 */
import { headSliceRows, streamBytes } from '../forward/model-stream.js';
import { floatTensor } from '../forward/stored-tensor.js';
import {
  type BlockPass,
  type BlockPasses,
  type CarriedValue,
  measuringKey,
  passRanges,
  planKey,
  planWholeBlock,
} from '../graph/block-passes.js';
import { peakIntermediateBytes } from '../graph/intermediate-bytes.js';
import {
  finalNormGradientGraph,
  finalNormGraph,
  logitsGradientGraph,
  logitsGraph,
} from '../graph/logits-graph.js';
import { targetedAfter, targetRanges } from '../graph/target-ranges.js';
import { elementCount } from '../graph/value.js';
import { type LinearDescription, weightName } from '../model/description.js';
import { keptBytes } from '../runtime/kept-sessions.js';
import { fitTargetBytes } from '../solvers/fit-targets.js';
import { regionalBytes } from '../solvers/regional-optimiser.js';
import { TASK_ELEMENTS as HISTOGRAM_TASK_ELEMENTS, histogramBytes } from '../sparsity/prune-by-score.js';
import { activationBytes, gramBytes } from '../statistics/collect-statistics.js';
import { targetBytes, waitingBytes } from '../statistics/collect-targets.js';
import { outputErrorBytes } from '../statistics/output-error.js';
import { gradientBytes } from '../statistics/sum-gradients.js';
import {
  allocationWork,
  type CountedGraph,
  gradientGraphs,
  regionalGraphs,
  targetGraphs,
} from './estimate-flops.js';
import { evaluationSets } from './evaluation-stage.js';
import { prunedLinears } from './measure-gradients.js';
import { lossTokenBytes } from './measure-loss.js';
import type { MemorySettings } from './memory-settings.js';
import type { PreparedRun } from './prepare-run.js';
import { measuringPlans, prunePlans } from './prune-plans.js';
import { linearsAtOnce } from './prune-stored-blocks.js';

export interface MemoryPart {
  readonly name: string;
  readonly bytes: number;
}

export interface MemoryEstimate {
  readonly peakBytes: number;
  /** What the run is doing then. */
  readonly moment: string;
  /** They add up to the peak. */
  readonly parts: readonly MemoryPart[];
}

/** A worker thread: its stack, heap, code and kernels. */
const WORKER_BYTES = 13e6;
/**
 * onnxruntime's library, and in each worker its sessions' own needs; more where products and solvers run beside them, and
 * most where blocks are differentiated.
 */
const RUNTIME_BYTES = 35e6;
const SESSIONS_BYTES = { evaluating: 22e6, pruning: 34e6, differentiating: 46e6 };
/**
 * Of a block's backward: what its arena grows to, as a multiple of what is alive at the same time, since the memory of a value
 * is kept for a later one of the same shape; and what each of its many operators takes of the session.
 */
const BACKWARD = { arena: 1.5, operatorBytes: 5_500 };
/** Loading the charts, and drawing each linear in them; the workers have ended by then. */
const CHARTS_BYTES = 45e6;
const CHART_LINEAR_BYTES = 0.2e6;
/** Buffers that were replaced by larger ones stay until the thread collects its garbage: at the latest at this size. */
const GARBAGE_BYTES = 48e6;
/** What the many small tasks of measured losses leave on heaps before it is collected. */
const LOSS_HEAP_BYTES = { process: 30e6, worker: 10e6 };

/**
 * Gives the estimate for any settings; what doesn't depend on them is computed once.
 *
 * @param processBytes resident now, when the texts have been tokenised and no worker is started
 */
export function memoryEstimator(
  run: PreparedRun,
  processBytes: number = process.memoryUsage.rss(),
): (settings: MemorySettings) => MemoryEstimate {
  const weights = { name: 'weights of one block (f32)', bytes: streamBytes(run.model) };
  const sets = Object.values(evaluationSets(run)).filter((set) => set !== null);
  const plans = prunePlans(run);
  const pruning = windowNeeds(plans, run);
  const pruned = prunedTogether(plans);
  const evaluating = sets.map(({ tokens }) =>
    windowNeeds(
      run.model.blocks.map((block) => planWholeBlock(block, tokens)),
      run,
    ),
  );
  const measuring = windowNeeds(measuringPlans(run), run);
  const { gradients, regional, loss } = run;
  const inBlocks = {
    gradients: backwardSessions(regionalGraphs(run, 'output norm')),
    steps: [
      ...backwardSessions(regionalGraphs(run, 'output error')),
      ...targetGraphs(run).map(({ graph }) => peakIntermediateBytes(graph)),
    ],
  };
  const prunedOfBlocks = run.model.blocks.map((_, index) => prunedLinears(run, index));
  const backward = backwardSessions(gradientGraphs(run));
  const suffix =
    loss &&
    windowNeeds(
      run.model.blocks.map((block) => planWholeBlock(block, loss.tokens)),
      run,
    );
  // The input of a block, the gradient behind it, and the one before it.
  const backwardBuffers = gradients ? 3 * gradients.tokens * run.model.hiddenSize * 4 : 0;
  // The input of a block, and its dense output.
  const regionalBuffers = regional ? 2 * regional.tokens * run.model.hiddenSize * 4 : 0;
  // A worker's buffers stay until it ends, whichever stage they were made for.
  const buffers = Math.max(
    0,
    backwardBuffers,
    regionalBuffers,
    ...[pruning, measuring, ...evaluating, ...(suffix ? [suffix] : [])].map((needs) => needs.buffers),
  );

  const sessionsBytes = gradients || regional ? SESSIONS_BYTES.differentiating : SESSIONS_BYTES.pruning;

  return (settings) => {
    const { workers } = settings;
    const processPart = (sessions: number) => ({
      name: 'process and its workers',
      bytes: processBytes + workers * WORKER_BYTES + (sessions > 0 ? RUNTIME_BYTES + workers * sessions : 0),
    });
    const inWorkers = (sessions: number) => ({
      name: 'activations in workers',
      bytes: workers * (sessions + buffers + Math.min(buffers, GARBAGE_BYTES)),
    });
    const moments: { moment: string; parts: MemoryPart[] }[] = [
      {
        moment: 'drawing the report',
        parts: [
          { name: 'process', bytes: processBytes },
          { name: 'charts', bytes: CHARTS_BYTES + run.layers.length * CHART_LINEAR_BYTES },
        ],
      },
    ];
    const [first] = sets;
    if (first) {
      const head = logitsSessions(run, first.tokens, settings.logitTokens);
      const sessions = keptBytes([...evaluating.flatMap((needs) => needs.sessions), ...head]);
      const process = processPart(SESSIONS_BYTES.evaluating);
      moments.push({ moment: 'evaluating', parts: [process, weights, inWorkers(sessions)] });
    }
    if (run.allocation.windows > 0) {
      const process = processPart(SESSIONS_BYTES.evaluating);
      const parts = [process, weights, inWorkers(keptBytes(measuring.sessions))];
      moments.push({ moment: 'measuring the dense model', parts });
    }
    if (run.allocation.looks) {
      const process = processPart(SESSIONS_BYTES.evaluating);
      const { bytes } = allocationWork(run, workers);
      const garbage = Math.min(bytes, workers * GARBAGE_BYTES);
      const held = { name: 'counts and spectra', bytes: bytes + garbage };
      const parts = [process, inWorkers(keptBytes(measuring.sessions)), held];
      moments.push({ moment: 'sharing the sparsity', parts });
    }
    const heldGradients = (windows: number) => ({
      name: 'gradients of one block',
      bytes: Math.max(
        ...prunedOfBlocks.map((linears) =>
          gradientBytes(linears, workers, Math.min(settings.activations, windows)),
        ),
      ),
    });
    const collecting = gradients
      ? {
          process: processPart(sessionsBytes),
          activations: inWorkers(
            keptBytes([...backward, ...headGradientSessions(run, gradients.tokens, settings.logitTokens)]),
          ),
        }
      : undefined;
    if (gradients && collecting) {
      const held = heldGradients(gradients.windows);
      const parts = [collecting.process, weights, collecting.activations, held];
      moments.push({ moment: 'collecting gradients', parts });
    }
    if (run.method.pruneStored) {
      const histograms = {
        name: 'histograms of scores',
        bytes: storedHistogramBytes(run, linearsAtOnce(settings)),
      };
      // Workers keep the sessions that they have.
      const { process, activations } = collecting ?? { process: processPart(0), activations: inWorkers(0) };
      moments.push({ moment: 'pruning linears', parts: [process, activations, histograms] });
    }
    const { optimisations = [] } = regional ?? {};
    const batch = Math.max(0, ...optimisations.map((each) => each.batch));
    const optimiser = {
      name: 'gradients and mean squares of one block',
      bytes: batch > 0 ? Math.max(...prunedOfBlocks.map((linears) => regionalBytes(linears, batch))) : 0,
    };
    if (regional) {
      const process = processPart(sessionsBytes);
      // What was measured last stays until the next pass.
      const bytes =
        run.gramWindows > 0 ? Math.max(0, ...pruned.map(({ pass }) => gramBytes(pass.groups))) : 0;
      const grams = { name: 'Gram matrices', bytes };
      if (regional.gradients) {
        const activations = inWorkers(keptBytes(inBlocks.gradients));
        const parts = [process, weights, activations, grams, heldGradients(regional.gradients.windows)];
        moments.push({ moment: 'collecting gradients', parts });
      }
      if (batch > 0) {
        const activations = inWorkers(keptBytes([...inBlocks.gradients, ...inBlocks.steps]));
        moments.push({
          moment: 'optimising blocks',
          parts: [process, weights, activations, grams, optimiser],
        });
      }
    }
    // Held from round to round.
    const inRounds = optimisations.some(({ regrow }) => regrow) ? [optimiser] : [];
    for (const { pass, passes, linears } of pruned) {
      const process = processPart(sessionsBytes);
      const losses =
        loss && suffix ? [...suffix.sessions, ...logitsSessions(run, loss.tokens, settings.logitTokens)] : [];
      // Sessions of what a worker did before are kept while they are small.
      const activations = inWorkers(
        keptBytes([...pruning.sessions, ...inBlocks.gradients, ...inBlocks.steps, ...losses]),
      );
      const grams = run.gramWindows > 0 ? gramBytes(pass.groups) : 0;
      const slots = activationBytes(passes, pass, run.gramWindows, workers, settings.activations);
      const largest = Math.max(0, ...linears.map((linear) => linear.in));
      const lacks = run.recovery > 0 ? targetBytes(passes, pass) : 0;
      const fitting = lacks > 0 ? Math.max(...pass.groups.map(({ size }) => fitTargetBytes(size))) : 0;
      const solver = Math.max(solverBytes(run, pass, linears, settings), fitting);
      const errors = run.gramWindows > 0 ? workers * outputErrorBytes(largest) : 0;
      moments.push({
        moment: 'measuring activations',
        parts: [
          process,
          weights,
          activations,
          { name: 'Gram matrices', bytes: grams },
          { name: 'activations for the Gram matrices', bytes: slots },
          { name: 'buffers for output errors', bytes: errors },
          ...inRounds,
        ],
      });
      if (lacks > 0) {
        moments.push({
          moment: 'measuring targets',
          parts: [
            process,
            weights,
            activations,
            { name: 'Gram matrices', bytes: grams },
            { name: 'sums of what linears lack', bytes: lacks },
            {
              name: 'activations for these sums',
              bytes: waitingBytes(passes, pass, run.windows, workers, settings.activations),
            },
            { name: 'buffers for output errors', bytes: errors },
          ],
        });
      }
      moments.push({
        moment: 'pruning linears',
        parts: [
          process,
          weights,
          activations,
          { name: 'Gram matrices', bytes: grams },
          { name: 'target weights', bytes: lacks },
          { name: 'factors, errors and masks', bytes: solver },
          {
            name: 'measuring losses',
            bytes: loss
              ? lossTokenBytes(run.model, loss) + LOSS_HEAP_BYTES.process + workers * LOSS_HEAP_BYTES.worker
              : 0,
          },
          { name: 'buffers for output errors', bytes: errors },
          ...inRounds,
        ],
      });
    }
    return moments
      .map(({ moment, parts }) => ({
        moment,
        parts: parts.filter(({ bytes }) => bytes > 0),
        peakBytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
      }))
      .reduce((worst, next) => (next.peakBytes > worst.peakBytes ? next : worst));
  };
}

interface WindowNeeds {
  /** Intermediate values of each session. */
  readonly sessions: readonly number[];
  /** What a window is read into and written from. */
  readonly buffers: number;
}

/** What each worker needs to take windows through blocks. */
function windowNeeds(plans: readonly BlockPasses[], run: PreparedRun): WindowNeeds {
  const sessions = new Map<string, number>();
  const reads: number[] = [];
  const writes: number[] = [];
  for (const passes of distinct(plans)) {
    for (const pass of passes.passes) {
      for (const range of passRanges(passes, pass)) {
        const measures = pass.groups.length > 0;
        const outputs = [
          ...(measures && run.gramWindows > 0 ? (['transposed activations'] as const) : []),
          ...(measures && run.gramWindows === run.windows ? [] : (['sum of squares'] as const)),
        ];
        for (const output of outputs) {
          const { moments } = run.method;
          const key = measuringKey(range, output, moments);
          if (!sessions.has(key)) sessions.set(key, peakIntermediateBytes(range.graph(output, moments)));
        }
        grow(reads, range.reads);
        grow(writes, range.writes);
      }
      if (run.recovery === 0 || targetedAfter(passes, pass).length === 0) continue;
      for (const range of targetRanges(passes, pass)) {
        if (!sessions.has(range.graphKey)) {
          sessions.set(range.graphKey, peakIntermediateBytes(range.graph()));
        }
        grow(reads, [...range.reads.pruned, ...range.reads.dense]);
      }
    }
  }
  const sum = (list: readonly number[]) => list.reduce((total, bytes) => total + bytes, 0);
  return { sessions: [...sessions.values()], buffers: sum(reads) + sum(writes) };
}

/** Makes the buffer of each place as large as what is to be in it. */
function grow(buffers: number[], values: readonly CarriedValue[]): void {
  for (const [index, { shape }] of values.entries()) {
    buffers[index] = Math.max(buffers[index] ?? 0, elementCount(shape) * 4);
  }
}

/** Plans that differ in their graphs. */
function distinct(plans: readonly BlockPasses[]): BlockPasses[] {
  return [...new Map(plans.map((passes) => [planKey(passes), passes])).values()];
}

/** The linears that are pruned together, those of a pass. */
function prunedTogether(plans: readonly BlockPasses[]): {
  readonly passes: BlockPasses;
  readonly pass: BlockPass;
  readonly linears: readonly LinearDescription[];
}[] {
  return distinct(plans).flatMap((passes) => {
    const pruned = passes.block.linears.filter(({ name }) => passes.pruned.has(name));
    return passes.passes.map((pass) => ({
      passes,
      pass,
      linears: pruned.filter(({ inputGroup }) => pass.groups.some(({ name }) => name === inputGroup)),
    }));
  });
}

/** Of 16 stored bits the low ones are always 0, and few of the high ones occur: bytes of a task's counts. */
const STORED_HISTOGRAM_BYTES = 65_536;

/** Of the `atOnce` largest linears. */
function storedHistogramBytes({ layers, model, checkpoint }: PreparedRun, atOnce: number): number {
  return layers
    .flatMap(({ block: index, linear, pattern }) => {
      const block = model.blocks[index];
      if (!block || pattern === 'dense' || pattern.kind === 'n:m') return [];
      const { dtype } = floatTensor(checkpoint.tensors, weightName(block, linear));
      const elements = linear.out * linear.in;
      if (dtype === 'F32') return [histogramBytes(elements)];
      return [Math.ceil(elements / HISTOGRAM_TASK_ELEMENTS) * STORED_HISTOGRAM_BYTES];
    })
    .sort((a, b) => b - a)
    .slice(0, atOnce)
    .reduce((sum, bytes) => sum + bytes, 0);
}

function solverBytes(
  run: PreparedRun,
  pass: BlockPass,
  linears: readonly LinearDescription[],
  { oneLinear }: MemorySettings,
): number {
  const together = (list: readonly number[]) =>
    oneLinear ? Math.max(0, ...list) : list.reduce((sum, bytes) => sum + bytes, 0);
  const groups = pass.groups.map(({ name, size }) =>
    run.method.work({ size, linears: linears.filter(({ inputGroup }) => inputGroup === name) }),
  );
  return (
    together(groups.map(({ bytes }) => bytes.group)) + together(groups.flatMap(({ bytes }) => bytes.linears))
  );
}

/** What the sessions of graphs that differentiate a block come to have. */
function backwardSessions(graphs: readonly CountedGraph[]): number[] {
  return graphs.map(
    ({ graph }) =>
      BACKWARD.arena * peakIntermediateBytes(graph) + BACKWARD.operatorBytes * graph.nodes.length,
  );
}

/** Intermediate values of the sessions for the last norm and the logits of a window. */
function logitsSessions(run: PreparedRun, tokens: number, logitTokens: number): number[] {
  const { model } = run;
  const norm = peakIntermediateBytes(finalNormGraph(model, tokens));
  const chunk = Math.min(tokens, logitTokens);
  return [norm, peakIntermediateBytes(logitsGraph(chunk, model.hiddenSize, headSliceRows(model)))];
}

/** The same, and of the sessions for their gradients. */
function headGradientSessions(run: PreparedRun, tokens: number, logitTokens: number): number[] {
  const { model } = run;
  const chunk = Math.min(tokens, logitTokens);
  return [
    ...logitsSessions(run, tokens, logitTokens),
    peakIntermediateBytes(finalNormGradientGraph(model, tokens)),
    peakIntermediateBytes(logitsGradientGraph(chunk, model.hiddenSize, headSliceRows(model))),
  ];
}

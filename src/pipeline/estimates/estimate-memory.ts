/**
 * What a run will have in memory at its worst moment.
 * @module
 */
import { routingBytes } from '../../forward/expert-routing.js';
import { streamBytes } from '../../forward/model-stream.js';
import { layerCellKey } from '../../report/layer-grid.js';
import { keptBytes } from '../../runtime/kept-sessions.js';
import type { MemorySettings } from '../prepare/memory-settings.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { allocationMemory } from './allocation-memory.js';
import { bandBytes } from './band-memory.js';
import { evaluationMemory } from './evaluation-memory.js';
import { gradientMemory } from './gradient-memory.js';
import { pruningMemory } from './pruning-memory.js';
import { regionalMemory } from './regional-memory.js';
import type { CommonParts, MemoryMoment, MemoryPart, StageMemory, Work } from './stage-memory.js';

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
const SESSIONS_BYTES: Readonly<Record<Work, number>> = {
  'nothing with graphs': 0,
  evaluating: 22e6,
  pruning: 34e6,
  differentiating: 46e6,
};
/**
 * Loading the charts, drawing each of their cells, and what is said of each linear; the workers have ended by then. 18,624 linears
 * in 336 cells take 41 MB more than 336.
 */
const CHARTS_BYTES = 36e6;
const CHART_CELL_BYTES = 0.1e6;
const LAYER_REPORT_BYTES = 4e3;
/** Buffers that were replaced by larger ones stay until the thread collects its garbage: at the latest at this size. */
const GARBAGE_BYTES = 48e6;

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
  const regional = regionalMemory(run);
  const stages: StageMemory[] = [
    evaluationMemory(run),
    allocationMemory(run, GARBAGE_BYTES),
    gradientMemory(run),
    regional,
    pruningMemory(run, regional),
  ];
  const cells = new Set(run.layers.map(layerCellKey)).size;
  // A worker's buffers stay until it ends, whichever stage they were made for.
  const buffers = Math.max(bandBytes(run), ...stages.map((stage) => stage.buffers));
  const report: MemoryMoment = {
    moment: 'drawing the report',
    parts: [
      { name: 'process', bytes: processBytes },
      { name: 'charts', bytes: CHARTS_BYTES + cells * CHART_CELL_BYTES },
      { name: 'reports of linears', bytes: run.layers.length * LAYER_REPORT_BYTES },
    ],
  };
  return (settings) => {
    const { workers } = settings;
    const common: CommonParts = {
      weights,
      process(work) {
        const sessions = SESSIONS_BYTES[work];
        const runtime = sessions > 0 ? RUNTIME_BYTES + workers * sessions : 0;
        return { name: 'process and its workers', bytes: processBytes + workers * WORKER_BYTES + runtime };
      },
      activations: (sessions) => ({
        name: 'activations in workers',
        bytes: workers * (keptBytes(sessions) + buffers + Math.min(buffers, GARBAGE_BYTES)),
      }),
      routing: (tokens) => ({
        name: 'tokens of experts',
        bytes: Math.max(
          0,
          ...run.model.blocks.map(({ experts }) => (experts ? routingBytes(experts, tokens) : 0)),
        ),
      }),
    };
    return [report, ...stages.flatMap((stage) => stage.moments(settings, common))]
      .map(({ moment, parts }) => ({
        moment,
        parts: parts.filter(({ bytes }) => bytes > 0),
        peakBytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
      }))
      .reduce((worst, next) => (next.peakBytes > worst.peakBytes ? next : worst));
  };
}

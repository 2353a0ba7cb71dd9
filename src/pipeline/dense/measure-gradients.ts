/**
 * Takes the first calibration windows through the dense model and back, and files what a method needs of the gradients.
 * @module
 */
import { firstTokens } from '../../calibration/first-tokens.js';
import type { CalibrationSet } from '../../calibration/load-calibration.js';
import type { ModelStream } from '../../forward/model-stream.js';
import type { WorkerPool } from '../../runtime/worker-pool.js';
import { collectGradients } from '../../statistics/collect-gradients.js';
import { fallbackOf, gradientTokensOf } from '../blocks/starved-experts.js';
import { prunedLinears, unitLayers } from '../blocks/unit-layers.js';
import type { GradientNeeds } from '../methods/method.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import type { StageClock } from '../progress/stage-clock.js';
import { fileMoments } from './file-moments.js';
import type { GradientFile } from './gradient-file.js';

export interface MeasureGradientsOptions {
  readonly run: PreparedRun;
  readonly pool: WorkerPool;
  readonly stream: ModelStream;
  readonly calibration: CalibrationSet;
  readonly gradients: GradientNeeds;
  /** For the hidden states. */
  readonly folder: string;
  readonly file: GradientFile;
  readonly clock: StageClock;
}

/** @throws RunError naming the block or the weight where something isn't finite, or an expert that gets too few tokens */
export async function measureGradients(options: MeasureGradientsOptions): Promise<void> {
  const { run, pool, stream, calibration, gradients, file, clock } = options;
  const { blocks } = run.model;
  let [phase, started]: ['forward' | 'backward', number] = ['forward', performance.now()];
  /** Adds the time since it was last called to what was being done. */
  const lap = (next: typeof phase) => {
    const seconds = (performance.now() - started) / 1000;
    clock.add(phase, seconds);
    [phase, started] = [next, performance.now()];
    return seconds;
  };
  file.create();
  await collectGradients({
    stream,
    pool,
    locate: run.locate,
    tokens: firstTokens(calibration, gradients),
    sequenceLength: gradients.tokens,
    folder: options.folder,
    linears: (unit) => prunedLinears(run, unit).map(({ name }) => name),
    mostWindows: run.memory.activations,
    onWindow(now, unit, done) {
      if (now !== phase) lap(now);
      // Experts have windows of their own.
      const index = blocks.indexOf(unit);
      if (index < 0) return;
      const { windows } = gradients;
      // A block is done with its backward; until then the forward of all is what can be told of.
      if (now === 'forward') clock.step(now, index, index * windows + done, blocks.length * windows);
      else clock.step(now, index, done, windows);
    },
    async onBlock(unit, sums, tokens) {
      // A block comes after its experts.
      const index = blocks.indexOf(unit);
      if (index < 0 && fallbackOf(run, unit, gradientTokensOf(run, tokens))) {
        file.starved.set(unit.prefix, tokens);
      }
      const seconds = lap('backward');
      await clock.time('write', () =>
        pool.forEach([...sums], async ([name, each]) => {
          const layer = unitLayers(run, unit).find(({ linear }) => linear.name === name);
          if (!layer) throw new Error(`${unit.prefix}${name} has no plan`);
          await fileMoments(pool, each, file.moments, file.unfinished(layer));
        }),
      );
      started = performance.now();
      if (index >= 0) clock.block(index, seconds);
    },
  });
  await clock.time('write', () => file.publish());
}

/**
 * The stages that look at the dense model before anything is pruned.
 * @module
 */
import type { Cost } from '../../report/report-schema.js';
import { peakRssBytes } from '../../system/peak-rss-bytes.js';
import type { Journal, JournalContent } from '../output/journal.js';
import { type PhaseSeconds, PhaseTimer } from '../progress/phase-timer.js';
import { StageClock } from '../progress/stage-clock.js';
import { type StageContext, withStream } from '../stage-context.js';
import { type Allocated, measureDense, shareSparsity } from './allocate.js';
import { GradientFile } from './gradient-file.js';
import { measureGradients } from './measure-gradients.js';
import { readNorms, writeNorms } from './norms-file.js';
import type { Measured, Reuse } from './reuse.js';
import type { ReusedFile } from './reused-file.js';

/** Looks at the dense model, and shares the sparsity among its linears. */
export async function allocate(
  shared: StageContext,
): Promise<Allocated & { phases: PhaseSeconds[]; cost: Cost }> {
  const { run, reuse, onProgress } = shared;
  const { calibration, allocation, layers } = run;
  const tokens = allocation.windows * (calibration?.sequenceLength ?? 0);
  const clock = new StageClock('allocate', run.model.blocks.length, tokens, onProgress);
  const measure = async () => {
    if (!calibration) throw new Error(`${allocation.name} without calibration`);
    return await withStream(shared, (stream) => measureDense({ ...shared, stream, calibration, clock }));
  };
  const taken = async (from: Reuse, file: ReusedFile) => {
    const { starved } = await from.take(file, 'column norms', clock, async () => {
      const started = performance.now();
      const norms = await measure();
      const seconds = (performance.now() - started) / 1000;
      await clock.time('write', () => writeNorms(file.path, layers, norms.columns));
      return { seconds, starved: Object.fromEntries(norms.starved) };
    });
    const columns = await clock.time('read', async () => readNorms(file.path, layers));
    return { columns, starved: new Map(Object.entries(starved)) };
  };
  const measured = async () => (reuse?.norms ? await taken(reuse, reuse.norms) : await measure());
  const norms = allocation.windows > 0 ? await measured() : undefined;
  const shares = await shareSparsity({ ...shared, clock }, norms);
  // So far nothing else was looked for in the folder.
  const cost = costOf(clock.seconds + (reuse?.taken?.seconds ?? 0), reuse);
  return { ...shares, phases: clock.end(), cost };
}

function costOf(seconds: number, reuse: Reuse | undefined): Cost {
  return { seconds, peak_rss_bytes: Math.max(peakRssBytes(), reuse?.taken?.peak_rss_bytes ?? 0) };
}

/**
 * The file with what the method needs of the dense model's gradients: what an earlier process of this run has collected, what
 * another run has, or what is collected now.
 *
 * @param phases to which those are added that this takes
 */
export async function denseGradients(
  shared: StageContext,
  log: Journal,
  journal: JournalContent | undefined,
  phases: PhaseSeconds[],
): Promise<GradientFile> {
  const { run, folder, reuse } = shared;
  const own = new GradientFile(folder, run);
  if (journal?.blocks.length === run.model.blocks.length) return own;
  if (own.isComplete && journal?.gradients?.fingerprint === own.fingerprint) {
    own.starve(journal.gradients.starved);
    return own;
  }
  /** In place of what an earlier process recorded, whose seconds a shared folder has too. */
  const record = ({ seconds, starved }: Measured) => {
    const cost = costOf(seconds, reuse);
    log.append({ kind: 'gradients', cost, fingerprint: own.fingerprint, starved });
  };
  const collect = async (file: GradientFile): Promise<Measured> => {
    const collected = await collectedGradients(shared, file);
    phases.push(...collected);
    const seconds = collected.reduce((sum, phase) => sum + phase.seconds, 0);
    return { seconds, starved: Object.fromEntries(file.starved) };
  };
  if (!reuse?.gradients) {
    record(await collect(own));
    return own;
  }
  own.remove();
  const file = new GradientFile(reuse.folder, run, reuse.gradients.name);
  const timer = new PhaseTimer('reuse');
  const known = await reuse.take(reuse.gradients, 'gradients', timer, () => collect(file));
  record(known);
  file.starve(known.starved);
  phases.push(...timer.phases());
  return file;
}

/** Fills the file with what the method needs of the dense model's gradients. */
async function collectedGradients(shared: StageContext, file: GradientFile): Promise<PhaseSeconds[]> {
  const { run, onProgress } = shared;
  const { calibration, gradients, model } = run;
  if (!calibration || !gradients) throw new Error('gradients without calibration');
  const tokens = gradients.windows * gradients.tokens;
  const clock = new StageClock('gradients', model.blocks.length, tokens, onProgress);
  await withStream(shared, (stream) =>
    measureGradients({ ...shared, stream, calibration, gradients, file, clock }),
  );
  return clock.end();
}

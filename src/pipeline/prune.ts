/**
 * One run from beginning to end: evaluate, prune block by block, verify what was written, evaluate again, report.
 * @module
 */
import { join, resolve } from 'node:path';
import { writeFileAtomically } from '../checkpoint/atomic-file.js';
import { createCheckpointWriter, refuseOtherWeights } from '../checkpoint/checkpoint-writer.js';
import type { RunConfig } from '../config/run-schema.js';
import { stringifyRunConfig } from '../config/stringify-run-config.js';
import { InterruptedError } from '../errors.js';
import { readReport } from '../report/read-report.js';
import type { LayerReport, Report } from '../report/report-schema.js';
import { loadReportPage, writeReport } from '../report/write-report.js';
import { WorkerPool } from '../runtime/worker-pool.js';
import { requireLibc } from '../system/libc.js';
import { peakRssBytes } from '../system/peak-rss-bytes.js';
import { ModelWriter } from './blocks/model-writer.js';
import { type BlockLoopOptions, pruneBlocks } from './blocks/prune-blocks.js';
import { pruneStoredBlocks } from './blocks/prune-stored-blocks.js';
import { checkWeights } from './check-weights.js';
import { allocated } from './dense/allocate.js';
import { allocate, denseGradients } from './dense/dense-stages.js';
import { GradientFile } from './dense/gradient-file.js';
import { Reuse } from './dense/reuse.js';
import {
  evaluateStage,
  evaluationReports,
  evaluationSets,
  overlapNotes,
  type SetPerplexities,
} from './evaluation-stage.js';
import { earlierRun, isFinished } from './output/earlier-run.js';
import { JOURNAL_FILE, Journal, type JournalContent, readJournal } from './output/journal.js';
import { makeReport, type RunOutcome, resourcesUsed } from './output/make-report.js';
import {
  checkReuseFolder,
  claimOutputFolder,
  isUnreleased,
  OUR_WEIGHTS,
  RUN_FOLDER,
  removeEarlierRun,
  removeHiddenStates,
  removeNewRun,
} from './output/output-folder.js';
import { requireDiskSpace } from './prepare/disk-space.js';
import { evaluationFingerprint } from './prepare/fingerprint.js';
import { fitMemory } from './prepare/fit-memory.js';
import { layerWeightName } from './prepare/layer-plan.js';
import { type PreparedRun, prepareRun } from './prepare/prepare-run.js';
import { requireMeasurable } from './prepare/require-measurable.js';
import { type PhaseSeconds, PhaseTimer } from './progress/phase-timer.js';
import type { ProgressListener } from './progress/progress.js';
import { FailureContext } from './progress/run-failure.js';
import { StageClock } from './progress/stage-clock.js';
import { type StageContext, withStream } from './stage-context.js';
import { verifyWritten } from './verify-written.js';

export interface RunOptions {
  /** Throw away what an earlier run left in the output folder. */
  readonly fresh?: boolean | undefined;
  /**
   * A folder that runs share: what this one learns of the dense model stays there, and what another has left there isn't
   * measured again. The weights are the same as without.
   */
  readonly reuse?: string | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PruneResult {
  /** Absolute path of the output folder. */
  readonly output: string;
  /** Whether the output was finished before, so that nothing was done. */
  readonly alreadyDone: boolean;
  readonly report: Report;
}

/**
 * @throws RequestError before anything is written; RunError when the run fails; InterruptedError when it was
 * stopped. After the last two the same call, without `fresh`, goes on from the last finished block.
 */
export async function runPrune(config: RunConfig, options: RunOptions = {}): Promise<PruneResult> {
  try {
    return await prune(config, options);
  } catch (error) {
    const { signal, fresh } = options;
    // Something else may have failed while the run was stopping.
    if (signal?.aborted && error === signal.reason) {
      const how = fresh ? ', once a block is finished without --fresh,' : '';
      throw new InterruptedError(`interrupted; run the same command again${how} to go on`);
    }
    throw error;
  }
}

async function prune(config: RunConfig, options: RunOptions): Promise<PruneResult> {
  const started = new Date();
  requireLibc();
  const prepare = new PhaseTimer('prepare');
  const { output } = config;
  const textCommits = options.fresh ? undefined : readJournal(join(output, RUN_FOLDER, JOURNAL_FILE))?.texts;
  const run = fitMemory(await prepareRun(config, prepare, { ...options, textCommits }));
  const reuse = options.reuse === undefined ? undefined : openReuse(options.reuse, run, options);
  const finished = async () => ({ output, alreadyDone: true, report: await readReport(output) });
  // Asked before the folder is locked, so that a finished one may be read-only.
  if (!options.fresh && !isUnreleased(output) && isFinished(run)) return await finished();
  const claim = claimOutputFolder(output);
  try {
    if (!options.fresh && isFinished(run)) return await finished();
    const earlier = claim.occupied && !options.fresh ? earlierRun(run) : undefined;
    if (options.fresh) refuseOtherWeights(output, run.shards, (name) => OUR_WEIGHTS.test(name));
    requireDiskSpace(run, earlier?.journal.blocks.length ?? 0, reuse);
    prepare.lap('open');
    const notes = [...run.notes, ...claim.notes, ...(earlier?.notes ?? []), ...overlapNotes(run)];
    prepare.lap('tokenise');
    const { occupied } = claim;
    return await perform(run, earlier?.journal, notes, { options, reuse, occupied, prepare, started });
  } finally {
    claim.release();
  }
}

/** @throws RequestError when the folder is none that can be shared */
function openReuse(given: string, run: PreparedRun, { signal, onProgress }: RunOptions): Reuse {
  const folder = resolve(given);
  checkReuseFolder(folder, run.config.output, run.checkpoint.folder);
  return new Reuse(folder, run, { signal, onNote: (message) => onProgress?.({ kind: 'note', message }) });
}

interface Start {
  readonly options: RunOptions;
  readonly reuse: Reuse | undefined;
  /** Whether the output had anything of a run in it. */
  readonly occupied: boolean;
  readonly prepare: PhaseTimer;
  readonly started: Date;
}

/** All of a run but claiming its folder. */
async function perform(
  run: PreparedRun,
  journal: JournalContent | undefined,
  notes: readonly string[],
  { options, reuse, occupied, prepare, started }: Start,
): Promise<PruneResult> {
  const { output } = run.config;
  const folder = join(output, RUN_FOLDER);
  const prefixes = run.model.blocks.map(({ prefix }) => prefix);
  const failure = new FailureContext(prefixes, journal?.blocks.length ?? 0, output, options.fresh);
  const onProgress = failure.listen(options.onProgress ?? (() => {}));
  for (const message of notes) onProgress({ kind: 'note', message });

  const pool = new WorkerPool(run.memory.workers, options.signal);
  let writer: ModelWriter | undefined;
  let log: Journal | undefined;
  try {
    await pool.ready();
    prepare.lap('start workers');
    const checks = journal ? [] : await check(run, pool, onProgress);
    prepare.restart();
    // Not before: a request that is refused leaves what was there.
    if (options.fresh) removeEarlierRun(output);
    else if (journal) removeHiddenStates(output);
    const opened = await openOutput(run, folder, journal, occupied);
    ({ log, writer } = opened);
    prepare.lap('open');
    const shared = { run, pool, writer, folder, reuse, onProgress };
    const work = await doWork(shared, log, journal);
    const phases = [...prepare.phases(), ...checks, ...work.phases];
    const finish = new PhaseTimer('finish');
    await pool.close();
    finish.lap('stop workers');
    const drawn = await makeReport(run, { ...work, phases }, { notes, reuse, earlier: log.earlier, started });
    const report = await writeReport(output, drawn, (unfinished) => {
      finish.lap('report');
      return {
        ...unfinished,
        run: { ...unfinished.run, ...resourcesUsed(started) },
        phases: [...phases, ...finish.phases()],
      };
    });
    log.append({ kind: 'report', evaluation: evaluationFingerprint(evaluationSets(run)) ?? null });
    return { output, alreadyDone: false, report };
  } catch (error) {
    throw writer ? failure.explain(error) : error;
  } finally {
    log?.close();
    await pool.close();
    await writer?.stored.close();
  }
}

/**
 * Makes the output's files: the journal first, so that what is there is known to be ours whenever the process ends.
 * When that fails in a folder that was new, nothing stays.
 */
async function openOutput(
  run: PreparedRun,
  folder: string,
  journal: JournalContent | undefined,
  occupied: boolean,
): Promise<{ log: Journal; writer: ModelWriter }> {
  const { output } = run.config;
  let log: Journal | undefined;
  try {
    const { otherFiles } = run.checkpoint;
    const header = { parts: run.fingerprintParts, copies: otherFiles, texts: run.textCommits };
    log = await Journal.open(join(folder, JOURNAL_FILE), header, journal);
    await writeFileAtomically(join(folder, 'run.yaml'), stringifyRunConfig(run.config));
    const resume = journal !== undefined;
    const stored = await createCheckpointWriter({ folder: output, plan: run.shards, resume });
    return { log, writer: new ModelWriter(stored, run.model, prunedWeights(run), run.encoded) };
  } catch (error) {
    log?.close();
    if (!occupied) removeNewRun(output);
    throw error;
  }
}

/** Full names of the weights that are pruned. */
function prunedWeights({ layers }: PreparedRun): Set<string> {
  return new Set(layers.filter(({ pattern }) => pattern !== 'dense').map(layerWeightName));
}

async function check(
  run: PreparedRun,
  pool: WorkerPool,
  onProgress: ProgressListener,
): Promise<PhaseSeconds[]> {
  const clock = new StageClock('check', run.model.blocks.length, 0, onProgress);
  await checkWeights(run, pool, clock);
  return clock.end();
}

async function doWork(
  prepared: StageContext,
  log: Journal,
  journal: JournalContent | undefined,
): Promise<RunOutcome> {
  let shared = prepared;
  let { run } = shared;
  const { writer, folder, onProgress } = shared;
  const sets = evaluationSets(run);
  const phases: PhaseSeconds[] = [];
  let dense: SetPerplexities = { heldOut: null, calibration: null };
  if (sets.heldOut) {
    const known = journal?.denseEvaluation;
    if (known) {
      dense = { heldOut: known.sets[0]?.dense ?? null, calibration: known.sets[1]?.dense ?? null };
    } else {
      const stage = await withStream(shared, (stream) =>
        evaluateStage('evaluate dense', stream, run.locate, sets, {
          folder,
          onProgress,
        }),
      );
      dense = stage.result;
      phases.push(...stage.phases);
      const none = { heldOut: null, calibration: null };
      log.append({
        kind: 'dense evaluation',
        cost: { seconds: 0, peak_rss_bytes: peakRssBytes() },
        fingerprint: evaluationFingerprint(sets) ?? '',
        sets: [...evaluationReports(run, dense, none)],
      });
    }
  }

  const notes: string[] = [];
  if (run.allocation.looks) {
    let entry = journal?.allocation;
    if (!entry) {
      const { phases: own, ...stage } = await allocate(shared);
      phases.push(...own);
      entry = { kind: 'allocation', ...stage };
      log.append(entry);
    }
    notes.push(...entry.notes);
    for (const message of entry.notes) onProgress({ kind: 'note', message });
    run = allocated(run, entry.patterns);
    requireMeasurable(run);
    shared = { ...shared, run };
  }

  const finished = journal?.blocks ?? [];
  const gradients = run.gradients && (await denseGradients(shared, log, journal, phases));

  const tokens = run.windows * (run.calibration?.sequenceLength ?? 0);
  const clock = new StageClock('prune', run.model.blocks.length, tokens, onProgress);
  const layers = await prunedBlocks(shared, { ...shared, journal: log, finished, clock, gradients });
  await clock.time('write', () =>
    writer.stored.finish({ copyFrom: run.checkpoint, changed: run.changedFiles }),
  );
  if (run.gradients) new GradientFile(folder, run).remove();
  const pruneSeconds = clock.seconds;
  phases.push(...clock.end());

  phases.push(...(await verifyWritten(shared, layers)));

  let pruned: SetPerplexities = { heldOut: null, calibration: null };
  if (sets.heldOut) {
    const stage = await withStream(shared, (stream) =>
      evaluateStage('evaluate pruned', stream, writer.locate, sets, {
        folder,
        onProgress,
      }),
    );
    pruned = stage.result;
    phases.push(...stage.phases);
  }
  return { layers, dense, pruned, phases, pruneSeconds, notes };
}

/** Prunes as the method needs it: block by block after calibration, or each linear as it is stored. */
async function prunedBlocks(shared: StageContext, loop: BlockLoopOptions): Promise<LayerReport[]> {
  const { method, calibration } = shared.run;
  const { pruneStored } = method;
  if (pruneStored) {
    // Should it fail, then again where the report is written.
    const onWaiting = () => void loadReportPage().catch(() => {});
    return await pruneStoredBlocks({ ...loop, method, pruneStored, onWaiting });
  }
  if (!calibration) throw new Error(`${method.name} without calibration`);
  const { folder } = shared;
  return await withStream(shared, (stream) => pruneBlocks({ ...loop, method, calibration, stream, folder }));
}

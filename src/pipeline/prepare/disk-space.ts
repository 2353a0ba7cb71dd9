/**
 * The disk that a run needs in its output folder, and whether it is there.
 * @module
 */
import { type Dirent, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { freeBytes } from '../../checkpoint/free-bytes.js';
import { RequestError } from '../../errors.js';
import { gatheredBytes } from '../../forward/expert-routing.js';
import { HIDDEN_FILES } from '../../forward/hidden-file.js';
import { wholeRecordBytes } from '../../forward/model-stream.js';
import { formatBytes } from '../../report/format.js';
import { gradientFilesBytes } from '../../statistics/collect-gradients.js';
import { diskBytes } from '../../system/disk-bytes.js';
import { existingFolder } from '../../system/existing-folder.js';
import { lossBytes } from '../blocks/measure-loss.js';
import { regionalFileBytes, regionalRecordBytes } from '../blocks/regional-blocks.js';
import { gradientFileBytes } from '../dense/gradient-file.js';
import type { Reuse } from '../dense/reuse.js';
import { type ExpertPlan, measuredExperts, pruningExperts, wholeExperts } from '../estimates/expert-plans.js';
import { evaluationSets } from '../evaluation-stage.js';
import { OUR_WEIGHTS, RUN_FOLDER } from '../output/output-folder.js';
import type { PreparedRun } from './prepare-run.js';
import { measuringRecordBytes, recordBytes } from './prune-plans.js';

/** The report, the journal and the index. */
const RUN_FILES_BYTES = 2_000_000;

const [STATES, MOMENTS] = ['hidden states', 'moments of gradients'];

/** Files of a run that are there at the same time. */
export interface DiskPart {
  readonly name: string;
  readonly bytes: number;
}

export interface DiskNeed {
  /** Shards, and the files that are copied. */
  readonly checkpoint: number;
  /** What the calibration windows keep on the disk while blocks are measured or pruned. */
  readonly calibration: number;
  /** What the evaluated windows keep; not at the same time as the calibration windows. */
  readonly evaluation: number;
  /** What the larger of the two is made of. */
  readonly scratch: readonly DiskPart[];
  /** The most at any time. */
  readonly total: number;
}

/**
 * What a run takes, however much of it is there already.
 *
 * @param finished blocks that an earlier run pruned
 * @param moments bytes that are still to be written of the dense model's gradients
 */
export function diskNeed(run: PreparedRun, finished = 0, moments = gradientFileBytes(run)): DiskNeed {
  const { checkpoint, shards, model } = run;
  const files =
    checkpoint.otherFiles.reduce((sum, name) => sum + statSync(join(checkpoint.folder, name)).size, 0) +
    shards.shards.reduce((sum, { size }) => sum + size, 0);
  const records = run.windows > 0 ? (run.recovery > 0 ? 2 : 1) * run.windows * recordBytes(run) : 0;
  const length = run.calibration?.sequenceLength ?? 0;
  const allocationTokens = run.allocation.windows * length;
  const experts = [...pruningExperts(run), ...wholeExperts(model, run.windows, length)];
  const pruning: DiskPart[] = [
    {
      name: STATES,
      bytes:
        records > 0 ? records + regionalRecordBytes(run) + expertFileBytes(experts, run.windows * length) : 0,
    },
    { name: MOMENTS, bytes: moments + (records > 0 ? regionalFileBytes(run) : 0) },
    { name: 'what losses are measured with', bytes: run.loss ? lossBytes(model, run.loss) : 0 },
  ];
  const differentiating = [
    { name: STATES, bytes: gradientStatesBytes(run) },
    { name: MOMENTS, bytes: moments },
  ];
  const allocating = {
    name: STATES,
    bytes:
      run.allocation.windows * measuringRecordBytes(run) +
      expertFileBytes(measuredExperts(run), allocationTokens),
  };
  const unfinished = finished < model.blocks.length;
  const calibration = largest(unfinished ? [pruning, differentiating, [allocating]] : []);
  const { heldOut, calibration: seen } = evaluationSets(run);
  const sets = [heldOut, seen].filter((set) => set !== null);
  const evaluated =
    sets.reduce((sum, { windows, tokens }) => sum + windows * wholeRecordBytes(model, tokens), 0) +
    Math.max(
      0,
      ...sets.map(({ windows, tokens }) =>
        expertFileBytes(wholeExperts(model, windows, tokens), windows * tokens),
      ),
    );
  const evaluation = [{ name: STATES, bytes: evaluated }];
  const scratch = largest([calibration, evaluation]);
  return {
    checkpoint: files,
    calibration: bytesOf(calibration),
    evaluation: evaluated,
    scratch: scratch.filter(({ bytes }) => bytes > 0),
    total: files + RUN_FILES_BYTES + bytesOf(scratch),
  };
}

function bytesOf(parts: readonly DiskPart[]): number {
  return parts.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Of what is there at different times, what takes most. */
function largest(times: readonly (readonly DiskPart[])[]): readonly DiskPart[] {
  return times.reduce((worst, next) => (bytesOf(next) > bytesOf(worst) ? next : worst), []);
}

/** What the windows keep while gradients are collected. */
function gradientStatesBytes({ gradients, model }: PreparedRun): number {
  if (!gradients) return 0;
  const { windows, tokens } = gradients;
  const experts = expertFileBytes(wholeExperts(model, windows, tokens), windows * tokens);
  return gradientFilesBytes(model, windows, tokens) + experts;
}

/** The file of an expert's tokens while it is run. @param tokens of all windows */
function expertFileBytes(plans: readonly ExpertPlan[], tokens: number): number {
  return Math.max(
    0,
    ...plans.map(({ planned }) => gatheredBytes(planned.tokens, planned.recordBytes, tokens)),
  );
}

/**
 * What is missing for a run, as words for people; undefined when there is enough. Files of ours that lie in the output
 * folder are kept or make room, so they count as what is there.
 *
 * @param finished blocks that an earlier run pruned
 * @param free bytes of the file system that a folder is in; undefined where it can't be told
 * @param reuse where what is learnt of the dense model lies, if not in the output
 * @throws RequestError when the file system can't be asked
 */
export function diskShortage(
  run: PreparedRun,
  finished = 0,
  free: (folder: string) => number | undefined = freeBytes,
  reuse?: Pick<Reuse, 'folder' | 'bytesToWrite'>,
): string | undefined {
  const { output } = run.config;
  const elsewhere = reuse && !isSameDisk(output, reuse.folder);
  const available = free(output);
  if (elsewhere && finished < run.model.blocks.length) {
    const { folder, bytesToWrite } = reuse;
    const there = free(folder);
    if (there !== undefined && bytesToWrite > there)
      return (
        `the run needs ${formatBytes(bytesToWrite)} of disk in ${folder} for what it shares with other runs, ` +
        `and ${formatBytes(there)} are free; free ${formatBytes(bytesToWrite - there)} or choose another folder`
      );
  }
  if (available === undefined) return undefined;
  const need = diskNeed(run, finished, elsewhere ? 0 : reuse?.bytesToWrite);
  const present = bytesOfOurs(output);
  const missing = need.total - present;
  if (missing <= available) return undefined;
  const scratch =
    need.calibration >= need.evaluation
      ? ([need.calibration, 'the calibration windows while it works'] as const)
      : ([need.evaluation, 'the evaluated windows while it works'] as const);
  const parts = [
    `${formatBytes(need.checkpoint)} for the checkpoint`,
    ...(scratch[0] > 0 ? [`${formatBytes(scratch[0])} for ${scratch[1]}`] : []),
    ...(present > 0 ? [`less ${formatBytes(present)} that are there already`] : []),
  ];
  const remedies = [
    `free ${formatBytes(missing - available)}`,
    'choose an output on another disk',
    ...(scratch[0] > 0 && missing - available < scratch[0] ? ['take fewer or shorter windows'] : []),
  ];
  return (
    `the run needs ${formatBytes(missing)} of disk in ${output} (${parts.join(', ')}), ` +
    `and ${formatBytes(available)} are free; ${remedies.join(', ').replace(/, (?=[^,]*$)/, ' or ')}`
  );
}

/**
 * @param finished blocks that an earlier run pruned
 * @throws RequestError when the disk can't hold the run, saying what is needed, what is free and what would help
 */
export function requireDiskSpace(run: PreparedRun, finished: number, reuse: Reuse | undefined): void {
  const shortage = diskShortage(run, finished, freeBytes, reuse);
  if (shortage !== undefined) throw new RequestError(shortage);
}

/** Whether two folders, or those they would be made in, are on one file system. */
function isSameDisk(...folders: readonly [string, string]): boolean {
  const [one, other] = folders.map((folder) => statSync(existingFolder(folder)).dev);
  return one === other;
}

/** Disk that the weights and hidden states of an earlier run take up. */
function bytesOfOurs(output: string): number {
  const ours = [
    ...entries(output)
      .filter((entry) => OUR_WEIGHTS.test(entry.name))
      .map(({ name }) => join(output, name)),
    ...entries(join(output, RUN_FOLDER))
      .filter(({ name }) => HIDDEN_FILES.test(name) || /\.f32(\.tmp)?$/.test(name))
      .map(({ name }) => join(output, RUN_FOLDER, name)),
  ];
  return ours.reduce((sum, path) => sum + diskBytes(path), 0);
}

function entries(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  } catch {
    return [];
  }
}

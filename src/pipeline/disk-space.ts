/**
 * The disk that a run needs in its output folder, and whether it is there.
 * @module
 */
import { type Dirent, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileError } from '../checkpoint/file-error.js';
import { RequestError } from '../errors.js';
import { lossRecordBytes, wholeRecordBytes } from '../forward/model-stream.js';
import { formatBytes } from '../report/format.js';
import { freeBytes } from '../system/free-bytes.js';
import { evaluationSets } from './evaluation-stage.js';
import { gradientFileBytes } from './gradient-file.js';
import { lossBytes } from './measure-loss.js';
import { OUR_WEIGHTS, RUN_FOLDER } from './output-folder.js';
import type { PreparedRun } from './prepare-run.js';
import { expertRecordsBytes, measuringRecordBytes, recordBytes } from './prune-plans.js';
import { regionalFileBytes, regionalRecordBytes } from './regional-blocks.js';

/** The report, the journal and the index. */
const RUN_FILES_BYTES = 2_000_000;
/** Blocks that `stat` counts in, whatever the file system's own are. */
const STAT_BLOCK_BYTES = 512;

export interface DiskNeed {
  /** Shards, and the files that are copied. */
  readonly checkpoint: number;
  /** What the calibration windows keep on the disk while blocks are measured or pruned. */
  readonly calibration: number;
  /** What the evaluated windows keep; not at the same time as the calibration windows. */
  readonly evaluation: number;
  /** The most at any time. */
  readonly total: number;
}

/** What a run takes, however much of it is there already. @param finished blocks that an earlier run pruned */
export function diskNeed(run: PreparedRun, finished = 0): DiskNeed {
  const { checkpoint, shards, model } = run;
  const files =
    checkpoint.otherFiles.reduce((sum, name) => sum + statSync(join(checkpoint.folder, name)).size, 0) +
    shards.shards.reduce((sum, { size }) => sum + size, 0);
  const windows = run.windows > 0 ? (run.recovery > 0 ? 2 : 1) * run.windows * recordBytes(run) : 0;
  const records = windows + expertRecordsBytes(run);
  const pruned = records > 0 ? records + regionalRecordBytes(run) + regionalFileBytes(run) : 0;
  const measured = run.loss ? lossBytes(model, run.loss) : 0;
  const moments = gradientFileBytes(run);
  const calibration =
    finished < model.blocks.length
      ? Math.max(
          moments + Math.max(pruned + measured, gradientRecordBytes(run)),
          run.allocation.windows * measuringRecordBytes(run),
        )
      : 0;
  const { heldOut, calibration: seen } = evaluationSets(run);
  const evaluation = [heldOut, seen].reduce((sum, set) => {
    if (!set) return sum;
    return sum + set.windows * wholeRecordBytes(model, set.tokens);
  }, 0);
  const total = files + RUN_FILES_BYTES + Math.max(calibration, evaluation);
  return { checkpoint: files, calibration, evaluation, total };
}

/** What the windows keep while gradients are collected: the inputs of all blocks, the output, and the gradients. */
function gradientRecordBytes(run: PreparedRun): number {
  const { gradients, model } = run;
  if (!gradients) return 0;
  const { windows, tokens } = gradients;
  const states = (model.blocks.length + 1) * wholeRecordBytes(model, tokens);
  return windows * (states + lossRecordBytes(model, tokens));
}

/**
 * What is missing for a run, as words for people; undefined when there is enough. Files of ours that lie in the output
 * folder are kept or make room, so they count as what is there.
 *
 * @param finished blocks that an earlier run pruned
 * @param free bytes of the file system that a folder is in; undefined where it can't be told
 * @throws RequestError when the file system can't be asked
 */
export function diskShortage(
  run: PreparedRun,
  finished = 0,
  free: (folder: string) => number | undefined = freeBytes,
): string | undefined {
  const { output } = run.config;
  let available: number | undefined;
  try {
    available = free(output);
  } catch (error) {
    throw fileError(error, 'ask for the free space of', output);
  }
  if (available === undefined) return undefined;
  const need = diskNeed(run, finished);
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
export function requireDiskSpace(run: PreparedRun, finished: number): void {
  const shortage = diskShortage(run, finished);
  if (shortage !== undefined) throw new RequestError(shortage);
}

/** Disk that the weights and hidden states of an earlier run take up. */
function bytesOfOurs(output: string): number {
  const ours = [
    ...entries(output)
      .filter((entry) => OUR_WEIGHTS.test(entry.name))
      .map(({ name }) => join(output, name)),
    ...entries(join(output, RUN_FOLDER))
      .filter(({ name }) => /\.hidden$|\.f32(\.tmp)?$/.test(name))
      .map(({ name }) => join(output, RUN_FOLDER, name)),
  ];
  return ours.reduce((sum, path) => sum + statSync(path).blocks * STAT_BLOCK_BYTES, 0);
}

function entries(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  } catch {
    return [];
  }
}

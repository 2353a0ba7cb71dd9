/**
 * What an earlier run left in the output folder that this one can go on from.
 * @module
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { keptShards } from '../../checkpoint/checkpoint-writer.js';
import { INDEX_FILE_NAME } from '../../checkpoint/shard-index.js';
import { RequestError } from '../../errors.js';
import { storedNames } from '../../model/check-tensors.js';
import { unitsOf } from '../../model/description.js';
import { heldBy } from '../../quantization/encoded-tensors.js';
import { reportFiles } from '../../report/report-files.js';
import { evaluationSets } from '../evaluation-stage.js';
import {
  evaluationFingerprint,
  type FingerprintParts,
  fingerprintDifferences,
  SOURCE_WEIGHTS,
} from '../prepare/fingerprint.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { JOURNAL_FILE, type JournalContent, readJournal } from './journal.js';
import { RUN_FOLDER } from './output-folder.js';

/** Whether an earlier run with this result is finished, its evaluation included, and all of it is there. */
export function isFinished(run: PreparedRun): boolean {
  const { output } = run.config;
  const journal = readJournal(join(output, RUN_FOLDER, JOURNAL_FILE));
  if (!journal || differences(journal, run).length > 0) return false;
  const { shards } = run.shards;
  const files = [...journal.copies, ...(shards.length > 1 ? [INDEX_FILE_NAME] : [])].map((name) =>
    join(output, name),
  );
  if (![reportFiles(output).json, ...files].every(existsSync)) return false;
  if (keptShards(output, run.shards).final.size < shards.length) return false;
  const evaluation = evaluationFingerprint(evaluationSets(run));
  return evaluation === undefined || evaluation === journal.report?.evaluation;
}

export interface EarlierRun {
  readonly journal: JournalContent;
  readonly notes: readonly string[];
}

/**
 * The journal of an earlier run that may be gone on with, as far as the disk still has what it says.
 * @throws RequestError when it was another run
 */
export function earlierRun(run: PreparedRun): EarlierRun {
  const { output } = run.config;
  const journal = readJournal(join(output, RUN_FOLDER, JOURNAL_FILE));
  if (!journal) {
    throw new RequestError(`output ${output} holds a run without a readable journal; --fresh overwrites it`);
  }
  const changed = differences(journal, run);
  if (changed.length === 1 && changed[0] === SOURCE_WEIGHTS) {
    throw new RequestError(
      `${changedShards(journal, run)} changed since the run in ${output} began; ` +
        'restore what was there, choose another output, or --fresh starts over',
    );
  }
  if (changed.length > 0) {
    throw new RequestError(
      `output ${output} holds another run, which differs in: ${changed.join(', ')}; ` +
        'choose another folder, or --fresh overwrites it',
    );
  }
  const { final, temporary } = keptShards(output, run.shards);
  const isKept = (name: string) => {
    const shard = run.shards.tensors.get(name)?.shard ?? -1;
    return final.has(shard) || temporary.has(shard);
  };
  const lost = run.model.blocks.slice(0, journal.blocks.length).findIndex(
    (block) =>
      !unitsOf(block)
        .flatMap(storedNames)
        .flatMap((name) => heldBy(run.encoded, name))
        .every(isKept),
  );
  const blocks = lost < 0 ? journal.blocks : journal.blocks.slice(0, lost);
  const notes =
    lost < 0 ? [] : [`blocks from ${lost} on are pruned again: a file that they were written to is gone`];
  if (blocks.length > 0) notes.push(`resumed after block ${blocks.length - 1}`);
  const evaluation = evaluationFingerprint(evaluationSets(run));
  const isSame = journal.denseEvaluation?.fingerprint === evaluation;
  return {
    journal: { ...journal, blocks, denseEvaluation: isSame ? journal.denseEvaluation : undefined },
    notes,
  };
}

function differences(journal: JournalContent, run: PreparedRun): string[] {
  return fingerprintDifferences(journal.parts, JSON.parse(JSON.stringify(run.fingerprintParts)));
}

/** The path of the first shard whose weights aren't those that the run began with, and how many there are. */
function changedShards(journal: JournalContent, run: PreparedRun): string {
  const before = (journal.parts[SOURCE_WEIGHTS] ?? {}) as FingerprintParts;
  const now = run.fingerprintParts[SOURCE_WEIGHTS] as FingerprintParts;
  const [first = '', ...others] = fingerprintDifferences(before, now);
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  return `weights in ${join(run.checkpoint.folder, first)}${more}`;
}

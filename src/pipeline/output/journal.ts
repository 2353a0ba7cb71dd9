/**
 * The journal of a run in its output folder: what was asked for, and which blocks are on the disk. It lives from
 * the first write to the last, and is what a later `prune` goes on from.
 * @module
 */
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { z } from 'zod';
import type { TextCommits } from '../../calibration/open-text-source.js';
import { writeFileAtomically } from '../../checkpoint/atomic-file.js';
import { fileError } from '../../checkpoint/file-error.js';
import {
  type Cost,
  costSchema,
  evaluationReportSchema,
  layerReportSchema,
} from '../../report/report-schema.js';
import type { FingerprintParts } from '../prepare/fingerprint.js';
import { totalCost } from './total-cost.js';

export const JOURNAL_FILE = 'journal.jsonl';

const headerSchema = z.object({
  kind: z.literal('run'),
  parts: z.record(z.string(), z.unknown()),
  copies: z.array(z.string()),
  /** Commits that were read of datasets whose revision may move, by what a source is called. */
  texts: z.record(z.string(), z.string()).default({}),
});
/**
 * What an entry took: the seconds of pruning since the entry before, those of reused measurements included and those of evaluations
 * not, and the most memory up to here. Journals of earlier versions don't say it.
 */
const cost = costSchema.exactOptional();

const blockSchema = z.object({
  kind: z.literal('block'),
  cost,
  block: z.int().nonnegative(),
  layers: z.array(layerReportSchema),
});
const evaluationSchema = z.object({
  kind: z.literal('dense evaluation'),
  cost,
  /** Of the windows. */
  fingerprint: z.string(),
  sets: z.array(evaluationReportSchema.nullable()),
});

const allocationSchema = z.object({
  kind: z.literal('allocation'),
  cost,
  /** Of the linears that share the sparsity, in order. */
  patterns: z.array(
    z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('unstructured'), sparsity: z.number().min(0).max(1) }),
      z.object({ kind: z.literal('n:m'), keep: z.int().positive(), of: z.int().positive() }),
    ]),
  ),
  /** What the report is to say of it. */
  notes: z.array(z.string()).default([]),
});

const gradientsSchema = z.object({
  kind: z.literal('gradients'),
  cost,
  /** Of what the file of moments holds, and where. */
  fingerprint: z.string(),
  /** Tokens that go to experts, by their prefix, where they are too few. */
  starved: z.record(z.string(), z.int().nonnegative()),
});

const reportSchema = z.object({
  kind: z.literal('report'),
  /** Fingerprint of the windows of the evaluation that the report has; null where it has none. */
  evaluation: z.string().nullable(),
});

export type AllocationEntry = z.infer<typeof allocationSchema>;
export type BlockEntry = z.infer<typeof blockSchema>;
export type DenseEvaluationEntry = z.infer<typeof evaluationSchema>;
export type GradientsEntry = z.infer<typeof gradientsSchema>;
export type ReportEntry = z.infer<typeof reportSchema>;
/** What was done for the result. */
type WorkEntry = AllocationEntry | BlockEntry | DenseEvaluationEntry | GradientsEntry;
export type JournalEntry = WorkEntry | ReportEntry;

/** What a run is known by. */
export interface JournalHeader {
  readonly parts: FingerprintParts;
  /** The files that are copied from the source, relative to the output. */
  readonly copies: readonly string[];
  /** What was read of datasets on the hub, so that a run that goes on reads the same. */
  readonly texts: TextCommits;
}

export interface JournalContent extends JournalHeader {
  /** In order, without gaps. */
  readonly blocks: readonly BlockEntry[];
  readonly denseEvaluation: DenseEvaluationEntry | undefined;
  readonly allocation: AllocationEntry | undefined;
  readonly gradients: GradientsEntry | undefined;
  /** There once the report is written; a run that goes on begins without. */
  readonly report: ReportEntry | undefined;
}

/** Reads a journal; an unfinished last line, as a kill leaves it, is ignored. Undefined when there is none. */
export function readJournal(path: string): JournalContent | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const lines = text.split('\n').slice(0, -1);
  const entries: unknown[] = [];
  for (const line of lines) {
    try {
      entries.push(JSON.parse(line));
    } catch {
      break;
    }
  }
  const header = headerSchema.safeParse(entries[0]);
  if (!header.success) return undefined;
  const blocks: BlockEntry[] = [];
  let denseEvaluation: DenseEvaluationEntry | undefined;
  let allocation: AllocationEntry | undefined;
  let gradients: GradientsEntry | undefined;
  let report: ReportEntry | undefined;
  for (const entry of entries.slice(1)) {
    const block = blockSchema.safeParse(entry);
    if (block.success && block.data.block === blocks.length) blocks.push(block.data);
    const evaluation = evaluationSchema.safeParse(entry);
    if (evaluation.success) denseEvaluation = evaluation.data;
    const measured = allocationSchema.safeParse(entry);
    if (measured.success) allocation = measured.data;
    const collected = gradientsSchema.safeParse(entry);
    if (collected.success) gradients = collected.data;
    const reported = reportSchema.safeParse(entry);
    if (reported.success) report = reported.data;
  }
  const { parts, copies, texts } = header.data;
  return { parts, copies, texts, blocks, denseEvaluation, allocation, gradients, report };
}

/** Appends entries, each on the disk before `append` returns. */
export class Journal {
  readonly #path: string;
  readonly #fd: number;
  /** Of an earlier process, and not replaced since. */
  #kept: readonly WorkEntry[];

  /**
   * Starts a new journal, or goes on with the one that `content` was read from.
   *
   * @throws RequestError or RunError naming the file when it can't be written
   */
  static async open(
    path: string,
    header: JournalHeader,
    content: JournalContent | undefined,
  ): Promise<Journal> {
    const { denseEvaluation, allocation, gradients, blocks = [] } = content ?? {};
    const entries = [denseEvaluation, allocation, gradients, ...blocks].filter(
      (entry) => entry !== undefined,
    );
    await writeFileAtomically(path, [{ kind: 'run', ...header }, ...entries].map(line).join(''));
    try {
      return new Journal(path, openSync(path, 'a'), entries);
    } catch (error) {
      throw fileError(error, 'write', path);
    }
  }

  private constructor(path: string, fd: number, kept: readonly WorkEntry[]) {
    this.#path = path;
    this.#fd = fd;
    this.#kept = kept;
  }

  /** What earlier processes took for what this one went on from; undefined where that is nothing, or isn't known. */
  get earlier(): Cost | undefined {
    return totalCost(this.#kept.flatMap((entry) => entry.cost ?? []));
  }

  /** Adds an entry. But for blocks, one of its kind that was there doesn't count any more. */
  append(entry: JournalEntry): void {
    if (entry.kind !== 'block') this.#kept = this.#kept.filter(({ kind }) => kind !== entry.kind);
    try {
      const bytes = Buffer.from(line(entry));
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
      fdatasyncSync(this.#fd);
    } catch (error) {
      throw fileError(error, 'write', this.#path);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function line(entry: unknown): string {
  return `${JSON.stringify(entry)}\n`;
}

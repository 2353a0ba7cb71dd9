/**
 * What a comparison leaves in `compare.json`.
 * @module
 */
import { existsSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../checkpoint/atomic-file.js';
import { parseBoundedJson } from '../checkpoint/bounded-json.js';
import { readSmallFile } from '../checkpoint/read-small-file.js';
import { RequestError } from '../errors.js';
import { comparisonFiles } from './comparison-files.js';

const perplexity = z.strictObject({
  perplexity: z.number(),
  standard_error: z
    .number()
    .nullable()
    .describe('of the perplexity, from the spread between windows; null for one window'),
});

const rowSchema = z.strictObject({
  method: z.string(),
  goal: z.string(),
  fingerprint: z.string().describe('SHA-256 of everything that decides the figures'),
  folder: z.string().describe('of the run and its report, within the output'),
  sparsity: z.number(),
  ...perplexity.shape,
  seconds: z
    .number()
    .nonnegative()
    .describe(
      'of pruning and of what it needs to know of the dense model, as if no other run had measured any of it',
    ),
  peak_rss_bytes: z.number().nonnegative().describe('of the process that pruned, or measured for it'),
  output_error: z.number().nullable().describe('mean over the pruned linears'),
});

const comparisonSchema = z.strictObject({
  version: z.literal(1),
  fingerprint: z.string().describe('SHA-256 of everything that the figures of all rows have in common'),
  secateur: z.string(),
  model: z.string(),
  calibration: z.record(z.string(), z.unknown()).nullable().describe('as in the run file'),
  evaluation: z.strictObject({
    data: z.string(),
    context: z.int(),
    bos_token_id: z.int().exactOptional().describe('what every window begins with, where BOS was put there'),
    windows: z.int(),
    tokens: z.int(),
  }),
  dense: z.strictObject({ fingerprint: z.string(), ...perplexity.shape }),
  rows: z.array(rowSchema),
});

export type ComparisonRow = z.infer<typeof rowSchema>;
export type Comparison = z.infer<typeof comparisonSchema>;

/** Some hundred rows of a few hundred bytes. */
const MAX_BYTES = 4_000_000;
const LIMITS = { maxDepth: 16, maxValues: 100_000, maxKeys: 1000 };

/** What an output has. */
export interface FoundComparisons {
  /** What `compare.json` has. */
  readonly there: Comparison | undefined;
  /** The one that is asked for, there or kept beside it. */
  readonly same: Comparison | undefined;
}

/**
 * @param fingerprint of the comparison that is asked for
 * @param fresh whether a file that this version can't read may be overwritten
 * @throws RequestError when it can't read one, and mayn't
 */
export function findComparisons(output: string, fingerprint: string, fresh: boolean): FoundComparisons {
  const { json } = comparisonFiles(output);
  const [there, beside] = [json, fileBeside(json, fingerprint)].map((file) => {
    const comparison = readComparison(file);
    if (comparison !== 'unreadable') return comparison;
    if (fresh) return undefined;
    throw new RequestError(`${file}: not a comparison that this version can read; --fresh overwrites it`);
  });
  return { there, same: [there, beside].find((each) => each?.fingerprint === fingerprint) };
}

/**
 * Writes `compare.json`. Another comparison that has its place is kept beside it, where it is found again.
 *
 * @param onLine told where the other comparison is now
 */
export async function writeComparison(
  output: string,
  comparison: Comparison,
  onLine?: (line: string) => void,
): Promise<void> {
  const { json, html } = comparisonFiles(output);
  const there = readComparison(json);
  if (there && there !== 'unreadable' && there.fingerprint !== comparison.fingerprint) {
    const kept = fileBeside(json, there.fingerprint);
    await writeFileAtomically(kept, textOf(there));
    rmSync(html, { force: true });
    onLine?.(
      `note: what ${json} had is of another model, run file or version; its rows are in ${basename(kept)} now`,
    );
  }
  await writeFileAtomically(json, textOf(comparison));
  rmSync(fileBeside(json, comparison.fingerprint), { force: true });
}

function fileBeside(json: string, fingerprint: string): string {
  return json.replace(/\.json$/, `-${fingerprint.slice(0, 8)}.json`);
}

function readComparison(file: string): Comparison | 'unreadable' | undefined {
  if (!existsSync(file)) return undefined;
  const bytes = readSmallFile(file, MAX_BYTES);
  try {
    return comparisonSchema.parse(parseBoundedJson(bytes, LIMITS, file));
  } catch {
    return 'unreadable';
  }
}

function textOf(comparison: Comparison): string {
  return `${JSON.stringify(comparison, null, 2)}\n`;
}

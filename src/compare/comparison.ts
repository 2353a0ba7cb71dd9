/**
 * What a comparison leaves in `compare.json`.
 * @module
 */
import { existsSync, renameSync } from 'node:fs';
import { basename } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../checkpoint/atomic-file.js';
import { parseBoundedJson } from '../checkpoint/bounded-json.js';
import { readSmallFile } from '../checkpoint/read-small-file.js';
import { RequestError } from '../errors.js';
import { comparisonFiles } from './comparison-files.js';

const perplexity = z.strictObject({
  perplexity: z.number(),
  standard_error: z.number().describe('of the perplexity, from the spread between windows'),
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
  secateur: z.string(),
  model: z.string(),
  calibration: z.record(z.string(), z.unknown()).nullable().describe('as in the run file'),
  evaluation: z.strictObject({ data: z.string(), context: z.int(), windows: z.int(), tokens: z.int() }),
  dense: z.strictObject({ fingerprint: z.string(), ...perplexity.shape }),
  rows: z.array(rowSchema),
});

export type ComparisonRow = z.infer<typeof rowSchema>;
export type Comparison = z.infer<typeof comparisonSchema>;

/** Some hundred rows of a few hundred bytes. */
const MAX_BYTES = 4_000_000;
const LIMITS = { maxDepth: 16, maxValues: 100_000, maxKeys: 1000 };

/**
 * What an output has of the comparison with a dense model's figures; undefined when it has nothing. Another comparison that is
 * in the place of it is left beside it, where it is found again.
 *
 * @param denseFingerprint of the model, the evaluation and the version
 * @param onLine told where the other comparison is now
 * @throws RequestError when what is there is none of this version
 */
export function findComparison(
  output: string,
  denseFingerprint: string,
  onLine?: (line: string) => void,
): Comparison | undefined {
  const { json } = comparisonFiles(output);
  const there = readComparison(json);
  if (there?.dense.fingerprint === denseFingerprint) return there;
  const beside = (fingerprint: string) => json.replace(/\.json$/, `-${fingerprint.slice(0, 8)}.json`);
  if (there) {
    const kept = beside(there.dense.fingerprint);
    renameSync(json, kept);
    onLine?.(
      `note: what ${json} had is of another model, evaluation or version; its rows are in ${basename(kept)} now`,
    );
  }
  const known = readComparison(beside(denseFingerprint));
  if (known?.dense.fingerprint !== denseFingerprint) return undefined;
  renameSync(beside(denseFingerprint), json);
  return known;
}

function readComparison(file: string): Comparison | undefined {
  if (!existsSync(file)) return undefined;
  const parsed = comparisonSchema.safeParse(parseBoundedJson(readSmallFile(file, MAX_BYTES), LIMITS, file));
  if (parsed.success) return parsed.data;
  throw new RequestError(`${file}: not a comparison that this version can read; --fresh overwrites it`);
}

export async function writeComparison(output: string, comparison: Comparison): Promise<void> {
  await writeFileAtomically(comparisonFiles(output).json, `${JSON.stringify(comparison, null, 2)}\n`);
}

/**
 * Reads the report that a run left in its output folder.
 * @module
 */
import { existsSync } from 'node:fs';
import type { z } from 'zod';
import { parseBoundedJson } from '../checkpoint/bounded-json.js';
import { readSmallFile } from '../checkpoint/read-small-file.js';
import { shortened } from '../checkpoint/strict-json.js';
import { RequestError } from '../errors.js';
import { reportFiles } from './report-files.js';
import { type Report, reportSchema } from './report-schema.js';

/**
 * Every report that a run writes must be read again. `model/config-size.ts` lets models have 140,000 linears: 32,768 experts of
 * three, and ten for each of 4096 blocks. Each takes some 500 bytes, and with notes up to 900.
 */
const MAX_REPORT_BYTES = 128_000_000;

/**
 * Some thirty values for each layer. A report's largest object, the run file's, has a dozen keys; saying what is wrong
 * with one of a million takes more memory than a report.
 */
const REPORT_LIMITS = { maxDepth: 64, maxValues: 5_000_000, maxKeys: 1000 };

/** The charts have a place for each block up to the highest; the deepest published models have some hundred. */
const MAX_BLOCKS = 4096;

/** More problems than this are counted, not listed. */
const SHOWN_ISSUES = 5;

/**
 * The validated `secateur/report.json` of `output`.
 * @throws {RequestError} when it is missing, unreadable, not JSON, or not a report of this version.
 */
export async function readReport(output: string): Promise<Report> {
  const { json } = reportFiles(output);
  if (!existsSync(json)) {
    throw new RequestError(
      `${json}: no such file. Give the output folder of a finished run; the report is written when a run ends.`,
    );
  }
  const content = parseBoundedJson(readSmallFile(json, MAX_REPORT_BYTES), REPORT_LIMITS, json);
  const parsed = reportSchema.safeParse(content);
  if (parsed.success) {
    const absurd = parsed.data.layers.find(({ block }) => block >= MAX_BLOCKS);
    if (absurd === undefined) return parsed.data;
    throw new RequestError(
      `${json}: layer ${JSON.stringify(shortened(absurd.name))} is in block ${absurd.block}; ${MAX_BLOCKS} blocks at most are drawn`,
    );
  }
  throw new RequestError(`${json}: not a report that this version can read\n${describeIssues(parsed.error)}`);
}

/** One line per problem: where in the document, and what is wrong there. */
export function describeIssues(error: z.ZodError): string {
  const lines = error.issues.slice(0, SHOWN_ISSUES).map(({ path, message }) => {
    const where = shortened(path.map(String).join('.')) || '(whole document)';
    return `  ${where}: ${shortened(message)}`;
  });
  const rest = error.issues.length - lines.length;
  return [...lines, ...(rest > 0 ? [`  and ${rest} more`] : [])].join('\n');
}

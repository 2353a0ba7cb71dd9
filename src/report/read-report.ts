/**
 * Reads the report that a run left in its output folder.
 * @module
 */
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { RequestError } from '../errors.js';
import { reportFiles } from './report-files.js';
import { type Report, reportSchema } from './report-schema.js';

/** More problems than this are counted, not listed. */
const SHOWN_ISSUES = 5;

/**
 * The validated `secateur/report.json` of `output`.
 * @throws {RequestError} when it is missing, unreadable, not JSON, or not a report of this version.
 */
export async function readReport(output: string): Promise<Report> {
  const { json } = reportFiles(output);
  const text = await readFile(json, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
      throw new RequestError(
        `${json}: no such file. Give the output folder of a finished run; the report is written when a run ends.`,
      );
    }
    throw new RequestError(`${json}: cannot be read (${error.message})`, { cause: error });
  });
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new RequestError(`${json}: not valid JSON (${(error as Error).message})`, { cause: error });
  }
  const parsed = reportSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new RequestError(`${json}: not a report that this version can read\n${describeIssues(parsed.error)}`);
}

/** One line per problem: where in the document, and what is wrong there. */
export function describeIssues(error: z.ZodError): string {
  const lines = error.issues
    .slice(0, SHOWN_ISSUES)
    .map((issue) => `  ${issue.path.map(String).join('.') || '(whole document)'}: ${issue.message}`);
  const rest = error.issues.length - lines.length;
  return [...lines, ...(rest > 0 ? [`  and ${rest} more`] : [])].join('\n');
}

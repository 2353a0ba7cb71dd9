/**
 * Writes a run's report into its output folder.
 * @module
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomically } from '../checkpoint/atomic-file.js';
import { fileError } from '../checkpoint/file-error.js';
import { RunError } from '../errors.js';
import { describeIssues } from './read-report.js';
import { reportFiles } from './report-files.js';
import { type Report, reportSchema } from './report-schema.js';

/** Loads what draws the page, which takes longer than most commands: for runs that have time for it before the end. */
export async function loadReportPage(): Promise<typeof import('./render-report-html.js')> {
  return await import('./render-report-html.js');
}

/**
 * Leaves `secateur/report.html` and then `secateur/report.json` in `output`, each complete or not at all.
 * The JSON comes last, so that its presence means that the report is whole.
 * @param complete what is only known once the page is drawn, for the JSON.
 * @returns what the JSON holds.
 * @throws {RunError} when `report` breaks the schema, a NaN among the figures for example; nothing is written then.
 * @throws {RequestError} when the folder cannot be written or the disk is full.
 */
export async function writeReport(
  output: string,
  report: Report,
  complete: (report: Report) => Report = (unchanged) => unchanged,
): Promise<Report> {
  const parsed = reportSchema.safeParse(report);
  if (!parsed.success)
    throw new RunError(`the report of this run is not valid\n${describeIssues(parsed.error)}`);
  const files = reportFiles(output);
  const folder = dirname(files.json);
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError(error, 'write', folder);
  });
  const { renderReportHtml } = await loadReportPage();
  await writeFileAtomically(files.html, renderReportHtml(parsed.data));
  const whole = complete(parsed.data);
  await writeFileAtomically(files.json, `${JSON.stringify(whole, null, 2)}\n`);
  return whole;
}

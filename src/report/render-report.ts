/**
 * Draws the HTML page of a finished run again.
 * @module
 */
import { writeFileAtomically } from '../checkpoint/atomic-file.js';
import { readReport } from './read-report.js';
import { reportFiles } from './report-files.js';

/**
 * Redraws `secateur/report.html` in `output` from `secateur/report.json`.
 * @returns the path of the page.
 * @throws {RequestError} when there is no valid report.
 */
export async function renderReport(output: string): Promise<string> {
  const report = await readReport(output);
  const { html } = reportFiles(output);
  // Only now: loading the charts takes longer than most commands.
  const { renderReportHtml } = await import('./render-report-html.js');
  await writeFileAtomically(html, renderReportHtml(report));
  return html;
}

/**
 * The report as one HTML page that needs nothing beside it: no script, no font, no request.
 * @module
 */
import { html } from './html.js';
import { layerGrid } from './layer-grid.js';
import { renderPage } from './render-page.js';
import type { Report } from './report-schema.js';
import { distinct, modelName } from './run-summary.js';
import { beforeAfterSection, outputErrorSection, sparsitySection, timeSection } from './sections/charts.js';
import { detailsSection, notesSection } from './sections/details.js';
import { headline } from './sections/headline.js';

/** Draws `report` as a complete HTML document. The same report always gives the same text. */
export function renderReportHtml(report: Report): string {
  const grid = layerGrid(report.layers);
  const title = [modelName(report), distinct(report.layers, 'method'), distinct(report.layers, 'pattern')]
    .filter((part) => part !== '')
    .join(', ');
  return renderPage(
    `${title} – secateur report`,
    html`${headline(report)}
${notesSection(report)}
${beforeAfterSection(report)}
${sparsitySection(report, grid)}
${outputErrorSection(report, grid)}
${timeSection(report)}
${detailsSection(report)}
<footer>Written by secateur ${report.run.versions.secateur}. The same figures, for programs, are in report.json beside this page.</footer>`,
  );
}

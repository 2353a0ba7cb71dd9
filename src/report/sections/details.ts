/**
 * What one looks up rather than reads: every layer, the run file, versions and machine.
 * @module
 */
import { stringify } from 'yaml';
import { groupBy } from '../../group-by.js';
import {
  formatBytes,
  formatCount,
  formatPercent,
  formatPlural,
  formatSeconds,
  formatShape,
  formatSmall,
} from '../format.js';
import { type Html, html } from '../html.js';
import type { LayerReport, Report } from '../report-schema.js';

/** Everything that did not go as the user would assume; nothing when there is nothing to say. */
export function notesSection(report: Report): Html | null {
  if (report.notes.length === 0) return null;
  return html`<aside class="notes"><h2>${formatPlural(report.notes.length, 'note')}</h2><ul>${report.notes.map(
    (note) => html`<li>${note}</li>`,
  )}</ul></aside>`;
}

/** The collapsible parts at the end of the page. */
export function detailsSection(report: Report): Html {
  return html`<section>
    <h2>Details</h2>
    ${layerTable(report.layers)}
    <details><summary>Run file <span class="muted">with every default written out</span></summary>
      <pre>${stringify(report.run.config, { lineWidth: 0 }).trimEnd()}</pre>
    </details>
    <details><summary>Machine and versions</summary>${facts(report)}</details>
  </section>`;
}

function layerTable(layers: readonly LayerReport[]): Html | null {
  if (layers.length === 0) return null;
  const blocks = groupBy(layers, ({ block }) => block);
  const prefix = commonPrefix(layers.map((layer) => layer.name));
  return html`<details><summary>Every layer <span class="muted">${formatPlural(layers.length, 'linear')} in ${formatPlural(blocks.size, 'block')}${prefix !== '' && `; names without ${prefix}`}</span></summary>
    <div class="scroll"><table>
      <thead><tr><th class="text">Linear</th><th>Out × in</th><th class="text">Method</th><th class="text">Pattern</th><th>Target</th><th>Sparsity</th><th>Zeros</th><th>Output error</th><th>Loss</th><th>Damping</th><th>Time</th></tr></thead>
      ${[...blocks.values()].map((group) => html`<tbody>${group.map((layer) => layerRow(layer, prefix.length))}</tbody>`)}
    </table></div>
  </details>`;
}

/** The dotted segments with which every name begins; the last segment of a name is never part of them. */
function commonPrefix(names: readonly string[]): string {
  let prefix = names[0] ?? '';
  while (prefix !== '' && !names.every((name) => name.startsWith(prefix) && name !== prefix)) {
    prefix = prefix.slice(0, prefix.lastIndexOf('.', prefix.length - 2) + 1);
  }
  return prefix;
}

function layerRow(layer: LayerReport, prefixLength: number): Html {
  const dense = layer.pattern === 'dense';
  const small = (value: number | null) => (value === null ? '–' : formatSmall(value));
  return html`<tr><td class="text">${layer.name.slice(prefixLength)}</td><td>${formatShape(layer.shape)}</td>${
    dense
      ? html`<td class="text dense" colspan="2">kept dense</td>`
      : html`<td class="text">${layer.method}</td><td class="text">${layer.pattern}</td>`
  }<td>${dense ? '–' : formatPercent(layer.target)}</td><td>${formatPercent(layer.sparsity)}</td><td>${formatCount(layer.zeros)}</td><td>${small(layer.output_error)}</td><td>${small(layer.predicted_loss)}</td><td>${small(layer.damping)}</td><td>${formatSeconds(layer.seconds)}</td></tr>${[
    ...measuredLoss(layer),
    ...layer.notes,
  ].map((note) => html`<tr class="note"><td colspan="11">${note}</td></tr>`)}`;
}

function measuredLoss({ measured_loss: measured }: LayerReport): string[] {
  if (!measured) return [];
  const withError = (change: number, error: number | null) =>
    formatSmall(change) + (error === null ? '' : ` ± ${formatSmall(error)}`);
  return [
    `measured change of the model's loss: ${withError(measured.change, measured.standard_error)}; ` +
      `by the outputs of the linear alone: ${withError(measured.screened_change, measured.screened_standard_error)}; ` +
      formatPlural(measured.measurements, 'measurement'),
  ];
}

/** Which windows begin with BOS, where any do. */
function withBos(texts: NonNullable<Report['run']['texts']>): [string, string][] {
  const uses = groupBy(
    texts.filter((text) => text.bos_token_id !== undefined),
    ({ use }) => use,
  );
  return [...uses].map(([use, [text]]) => [
    `Windows of ${use}`,
    `each begins with BOS, token ${text?.bos_token_id}`,
  ]);
}

function facts(report: Report): Html {
  const { source, versions, machine, fingerprint } = report.run;
  const rows: [string, string][] = [
    ['Source checkpoint', source.path],
    ['Source hash', source.hash],
    ['Run fingerprint', fingerprint],
    ...withBos(report.run.texts ?? []),
    ['secateur', versions.secateur],
    ['Node', versions.node],
    ['ONNX Runtime', versions.onnxruntime],
    ['Platform', machine.platform],
    ['Processor', `${machine.cpu}, ${formatPlural(machine.cores, 'core')}`],
    ['Memory', formatBytes(machine.memory_bytes)],
    ['Workers', formatCount(machine.workers)],
  ];
  return html`<dl class="facts">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

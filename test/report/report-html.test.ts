import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeHtml, html } from '../../src/report/html.js';
import { renderReportHtml } from '../../src/report/render-report-html.js';
import { type LayerReport, type Report, reportSchema } from '../../src/report/report-schema.js';
import { largeReport, minimalReport, sampleReport } from './sample-report.js';

const VOID = new Set(['meta', 'br', 'hr', 'img', 'input', 'link']);

/** Names of all elements; throws where a tag closes something else than what is open. */
function elements(page: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  const body = page.replace(/<!doctype html>/, '').replace(/<style[^>]*>[\s\S]*?<\/style>/g, '');
  for (const [tag, close, name, selfClosing] of body.matchAll(/<(\/?)([a-zA-Z][\w-]*)[^<>]*?(\/?)>/g)) {
    if (close) {
      const last = open.pop();
      if (last !== name) throw new Error(`${tag} closes <${last}>`);
    } else {
      names.push(name as string);
      if (!selfClosing && !VOID.has(name as string)) open.push(name as string);
    }
  }
  if (open.length > 0) throw new Error(`left open: ${open.join(', ')}`);
  if (/<(?![/a-zA-Z])/.test(body)) throw new Error('a bare < in the text');
  return names;
}

/** `value` with every string replaced, keys of the run file included. */
function withStrings(value: unknown, text: string): unknown {
  if (typeof value === 'string') return text;
  if (Array.isArray(value)) return value.map((item) => withStrings(item, text));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withStrings(item, text)]));
  }
  return value;
}

/** Lengths in pixels of the horizontal bars with a fill, in order. */
function barLengths(page: string, title: string): number[] {
  const panel = page.slice(page.indexOf(`<h3>${title}</h3>`));
  const drawing = panel.slice(0, panel.indexOf('</svg>'));
  return [...drawing.matchAll(/<path d="M58[^"]*" fill="var\(--(?:before|accent)\)"/g)].map(([path]) => {
    const xs = [...path.matchAll(/L(\d+(?:\.\d+)?) /g)].map((match) => Number(match[1]));
    const tip = [...path.matchAll(/ ([\d.]+) [\d.]+(?:L|Z|"|A)/g)].map((match) => Number(match[1]));
    return Math.max(...xs, ...tip) - 58;
  });
}

describe('the samples', () => {
  it('are reports by the schema', () => {
    for (const report of [sampleReport(), largeReport(), minimalReport()]) reportSchema.parse(report);
  });
});

describe('escapeHtml', () => {
  it('leaves nothing that opens a tag or ends an attribute, and loses nothing', () => {
    const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.array(fc.constantFrom('<', '&', '"', "'", '>')),
        (a, b) => {
          const text = a + b.join('');
          const escaped = escapeHtml(text);
          expect(escaped).not.toMatch(/[<>"']/);
          expect(escaped.replace(/&([^;]+);/g, (_, name: string) => entities[name] as string)).toBe(text);
        },
      ),
    );
  });

  it('escapes once in nested templates', () => {
    const items = ['a<b', 'c'].map((item) => html`<li>${item}</li>`);
    expect(html`<ul>${items}${null}${false}</ul>`.markup).toBe('<ul><li>a&lt;b</li><li>c</li></ul>');
  });
});

describe('renderReportHtml', () => {
  it.each([
    ['30 blocks', sampleReport()],
    ['80 blocks', largeReport()],
    ['nothing pruned or measured', minimalReport()],
    ['no layers', { ...minimalReport(), layers: [] }],
  ])('%s: well-formed, needs nothing from outside, the same every time', (_, report) => {
    const page = renderReportHtml(report);
    const names = elements(page);
    expect(names).not.toContain('script');
    expect(names).not.toContain('link');
    expect(page).not.toMatch(/(?:src|href)=|url\((?!#)|@import|https?:/);
    expect(page).not.toMatch(/NaN|undefined|Infinity|\[object/);
    expect(renderReportHtml(report)).toBe(page);
  });

  it('survives hostile strings everywhere', () => {
    const attack = `</title></style><script>alert(1)</script><img src=x onerror=alert(1)>"'&`;
    const hostile = withStrings(sampleReport({ blocks: 2 }), attack) as Report;
    hostile.run.started = '2026-05-04T09:12:33.120Z';
    for (const layer of hostile.layers) layer.notes = [attack];
    const names = elements(renderReportHtml(hostile));
    expect(names).not.toContain('script');
    expect(names).not.toContain('img');
    expect(renderReportHtml(hostile).split('<style>')).toHaveLength(2);
  });

  it('shows the headline figures', () => {
    const page = renderReportHtml(sampleReport());
    for (const text of [
      '20.97',
      '41.63',
      '×1.99',
      '50.00 %',
      '893 MB',
      '3 min 51 s',
      '2 notes',
      'sequence_length: 512',
    ]) {
      expect(page).toContain(text);
    }
  });

  it('says what was before the run was resumed, where there was something', () => {
    const report = sampleReport();
    expect(renderReportHtml(report)).not.toContain('resumed');
    report.run.earlier = { seconds: 600, peak_rss_bytes: 1.5e9 };
    const page = renderReportHtml(reportSchema.parse(report));
    expect(page).toContain('with evaluation; before it was resumed 10 min 00 s');
    expect(page).toContain('2 workers; before it was resumed 1.50 GB');
    expect(page).toContain('Before the run was resumed, what it went on from took 10 min 00 s.');
  });

  it('has no standard errors where one window was measured', () => {
    /** @param errors of held-out and calibration text */
    const pageOf = (...errors: (number | null)[]) => {
      const report = sampleReport({ blocks: 1 });
      for (const [index, each] of [report.evaluation, report.calibration_evaluation].entries()) {
        for (const side of [each?.dense, each?.pruned]) if (side) side.standard_error = errors[index] ?? null;
      }
      const [layer] = report.layers as [LayerReport];
      const [error = null] = errors;
      const errorsOfLoss = { standard_error: error, screened_standard_error: error };
      layer.measured_loss = { change: 0.25, screened_change: 0.5, measurements: 3, ...errorsOfLoss };
      const page = renderReportHtml(reportSchema.parse(report));
      // Whiskers are the only lines of their kind between the panels' headings.
      const panels = page.slice(page.indexOf('Before and after'), page.indexOf('Sparsity by layer'));
      return { page, whiskers: panels.match(/stroke="var\(--ink\)"/g)?.length ?? 0 };
    };
    const both = pageOf(0.83, 0.71);
    expect(both.page).toContain('20.97 ± 0.83');
    expect(both.page).toContain('loss: 0.250 ± 0.830; by the outputs of the linear alone: 0.500 ± 0.830;');
    expect(both.whiskers).toBe(12);
    const one = pageOf(null, 0.71);
    expect(one.page).toContain('dense 20.97, pruned 41.63, ×1.99');
    expect(one.page).toContain('loss: 0.250; by the outputs of the linear alone: 0.500;');
    expect(one.page).toContain('Whiskers are one standard error');
    expect(one.whiskers).toBe(6);
    const none = pageOf(null, null);
    expect(none.page).not.toMatch(/±|Whiskers/);
    expect(none.page).toContain('Lower is better for all of them.');
    expect(none.whiskers).toBe(0);
  });

  it('draws every linear twice, once for wide and once for narrow pages, and lists it once', () => {
    const report = largeReport();
    const page = renderReportHtml(report);
    const cells = [...page.matchAll(/<title>block (\d+) · (\w+): ([^<]+)<\/title>/g)];
    expect(cells).toHaveLength(2 * report.layers.length);
    for (const layer of report.layers) {
      const expected = layer.zeros === 0 ? 'kept dense' : `${(layer.sparsity * 100).toFixed(2)} %`;
      const found = cells.filter(
        ([, block, kind]) =>
          layer.name ===
          `model.layers.${block}.${kind === 'down_proj' || kind === 'up_proj' || kind === 'gate_proj' ? 'mlp' : 'self_attn'}.${kind}`,
      );
      expect(found.map((cell) => cell[3])).toEqual([expected, expected]);
    }
    expect(page.match(/<td class="text">\d+\.(?:self_attn|mlp)\./g)).toHaveLength(report.layers.length);
  });

  it('says of experts how sparse the pruned ones are, and how many were kept dense', () => {
    const base = sampleReport({ blocks: 1 });
    const [layer] = base.layers as [LayerReport];
    /** Experts 0 to 5 of two blocks. @param sparsities 0 where an expert is kept dense */
    const pageOf = (sparsities: readonly number[]) => {
      const layers = [0, 1].flatMap((block) =>
        sparsities.map((sparsity, index) => ({
          ...layer,
          name: `model.layers.${block}.mlp.experts.${index}.w1`,
          block,
          pattern: sparsity === 0 ? 'dense' : 'unstructured',
          sparsity,
          zeros: layer.numel * sparsity,
        })),
      );
      const page = renderReportHtml({ ...base, layers });
      const section = page.slice(page.indexOf('Sparsity by layer'), page.indexOf('Output error by layer'));
      const titles = [...section.matchAll(/<title>([^<]*)<\/title>/g)].map(([, title]) => title);
      return { section, titles: [...new Set(titles)] };
    };
    const even = pageOf([0.5, 0.5, 0, 0.5, 0, 0.5]);
    expect(even.section).toContain('Every pruned linear has 50.00 % zeros.');
    expect(even.titles).toEqual(
      [0, 1].map((block) => `block ${block} · w1: 50.00 %, mean of 4, 2 kept dense`),
    );
    expect(even.section).not.toContain('class="swatch"');
    const uneven = pageOf([0.5, 0.25, 0.75]);
    expect(uneven.section).toContain('Pruned linears have between 25.00 % and 75.00 % zeros.');
    expect(uneven.titles[0]).toBe('block 0 · w1: 50.00 %, mean of 3');
    const none = pageOf([0, 0]);
    expect(none.section).toContain('Every linear was kept dense.');
    expect(none.titles[0]).toBe('block 0 · w1: 2 kept dense');
    expect(none.section).toContain('class="swatch"');
  });

  it('does not count zeros that linears had before for what the run did', () => {
    const base = sampleReport({ blocks: 1 });
    const [pruned, kept] = base.layers as [LayerReport, LayerReport];
    const layers: LayerReport[] = [
      { ...pruned, numel: 4000, zeros: 2000 },
      { ...kept, pattern: 'dense', numel: 6000, zeros: 3000 },
    ];
    const totals = { ...base.totals, prunable: 10_000, zeros: 5000, sparsity: 0.5 };
    const page = renderReportHtml({ ...base, layers, totals });
    expect(page).toContain('1 of 2 linears kept dense, with 3,000 zeros that they had');
    const weights = page.slice(page.indexOf('Non-zero weights'), page.indexOf('Sparsity by layer'));
    expect(weights).toContain('dense 7.00 k, pruned 5.00 k');
  });

  it('colours sparser linears further up the ramp', () => {
    const page = renderReportHtml(largeReport());
    const drawing = page.slice(page.indexOf('Sparsity by layer'));
    const cells = [
      ...drawing
        .slice(0, drawing.indexOf('</svg>'))
        .matchAll(/fill="var\(--(ramp-(\d+)|dense)\)"[^>]*><title>[^:]+: ([^<]+)<\/title>/g),
    ].map(([, , step, sparsity]) => ({
      step: Number(step ?? -1),
      sparsity: Number.parseFloat(sparsity as string) || 0,
    }));
    expect(cells).toHaveLength(560);
    cells.sort((a, b) => a.sparsity - b.sparsity);
    const steps = cells.map((cell) => cell.step);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(steps[0]).toBe(-1);
    expect(new Set(steps).size).toBe(17);
  });

  it('draws bars as long as their figures', () => {
    const page = renderReportHtml(sampleReport());
    const [dense, pruned] = barLengths(page, 'Perplexity, held-out text') as [number, number];
    expect(pruned / dense).toBeCloseTo(41.63 / 20.97, 1);
  });

  it('says what is missing', () => {
    const page = renderReportHtml(minimalReport());
    expect(page).toContain('No layer was pruned.');
    expect(page).toContain('Perplexity was not measured');
    expect(page).toContain('Not measured: this run used no calibration activations.');
    expect(page).not.toContain('Where the time went');
    const onlyPruned = sampleReport({ blocks: 2 });
    if (onlyPruned.evaluation) onlyPruned.evaluation.dense = null;
    onlyPruned.calibration_evaluation = null;
    expect(elements(renderReportHtml(onlyPruned)).length).toBeGreaterThan(100);
    expect(renderReportHtml(onlyPruned)).not.toContain('20.97');
  });
});

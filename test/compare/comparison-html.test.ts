/** The page of a comparison. */
import { expect, it } from 'vitest';
import type { Comparison, ComparisonRow } from '../../src/compare/comparison.js';
import { renderComparisonHtml } from '../../src/compare/render-comparison-html.js';

const row = (goal: string, figures: Partial<ComparisonRow> = {}): ComparisonRow => ({
  method: 'wanda',
  goal,
  fingerprint: 'f',
  folder: `wanda-${goal}`,
  sparsity: 0.5,
  perplexity: 41.63,
  standard_error: 1.72,
  seconds: 12,
  peak_rss_bytes: 4e8,
  output_error: 0.12,
  ...figures,
});

const comparison = (rows: ComparisonRow[], figures: Partial<Comparison> = {}): Comparison => ({
  version: 1,
  fingerprint: 'f',
  secateur: '0.0.0',
  model: '/models/small',
  calibration: null,
  evaluation: { data: 'text.txt', context: 8, windows: 4, tokens: 28 },
  dense: { fingerprint: 'd', perplexity: 20.97, standard_error: 0.83 },
  rows,
  ...figures,
});

it('has a heading for each goal, with all of its digits', () => {
  const goals = ['0.5', '0.625', '0.63', '0.996', '2:4'];
  const page = renderComparisonHtml(comparison(goals.map((goal) => row(goal))));
  const headings = [...page.matchAll(/<h2>([^<]*)<\/h2>/g)].map(([, heading]) => heading);
  expect(headings).toEqual(['50 %', '62.5 %', '63 %', '99.6 %', '2:4']);
});

it('says that windows begin with BOS where they do', () => {
  const evaluation = { data: 'text.txt', context: 8, windows: 4, tokens: 28 };
  const page = (own: Partial<Comparison['evaluation']>) =>
    renderComparisonHtml(comparison([row('0.5')], { evaluation: { ...evaluation, ...own } }));
  expect(page({ bos_token_id: 0 })).toContain('in windows of 8, each beginning with BOS. The dense');
  expect(page({})).toContain('in windows of 8. The dense');
});

it('has standard errors where there are some', () => {
  const whiskers = (page: string) => page.match(/stroke="var\(--muted\)"/g)?.length ?? 0;
  const several = renderComparisonHtml(comparison([row('0.5'), row('0.5')]));
  expect(several).toContain('41.63 ± 1.72');
  expect(several).toContain('with one standard error');
  expect(whiskers(several)).toBe(2);
  const dense = { fingerprint: 'd', perplexity: 20.97, standard_error: null };
  const one = renderComparisonHtml(comparison([row('0.5', { standard_error: null })], { dense }));
  expect(one).not.toMatch(/±|standard error|NaN|null/);
  expect(one).toContain('The dense model has 20.97.');
  expect(one).toContain('<td>41.63</td>');
  expect(whiskers(one)).toBe(0);
});

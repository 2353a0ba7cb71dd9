/**
 * The perplexities of several methods at one goal: points with a whisker of one standard error where it is known, and a line
 * for the dense model.
 * @module
 */

import { type Chart, type CustomItemApi, plainAxis } from '../report/charts/render-svg.js';
import { formatPerplexityWithError } from '../report/format.js';
import type { Comparison, ComparisonRow } from './comparison.js';

const LINE_HEIGHT = 14;
/** Of a character of a method's name, about. */
const CHARACTER_WIDTH = 7.2;
/** Names longer than this are broken where a part of them begins. */
const LINE_CHARACTERS = 40;

/** @param rows of one goal */
export function comparisonChart(
  goal: string,
  rows: readonly ComparisonRow[],
  dense: Comparison['dense'],
): Chart {
  const sorted = rows.toSorted((a, b) => a.perplexity - b.perplexity);
  const words = sorted.map((row) => formatPerplexityWithError(row.perplexity, row.standard_error));
  const names = sorted.map(({ method }) => brokenName(method));
  const lines = names.map((name) => name.split('\n'));
  const longest = Math.max(...lines.flat().map((line) => line.length));
  const rowHeight = Math.max(30, Math.max(...lines.map(({ length }) => length)) * LINE_HEIGHT + 4);
  const most = Math.max(...sorted.map((row) => row.perplexity + (row.standard_error ?? 0)), dense.perplexity);
  return {
    width: 760,
    height: sorted.length * rowHeight + 12,
    label: `${goal}: ${sorted.map((row, i) => `${row.method} ${words[i]}`).join(', ')}`,
    titles: sorted.map((row, i) => `${row.method}: ${words[i]}`),
    option: {
      grid: { left: Math.max(190, longest * CHARACTER_WIDTH + 20), right: 130, top: 4, bottom: 8 },
      xAxis: {
        ...plainAxis,
        type: 'log',
        min: dense.perplexity * 0.9,
        max: most * 1.1,
        axisLabel: { show: false },
      },
      yAxis: {
        ...plainAxis,
        type: 'category',
        inverse: true,
        data: names,
        axisLabel: {
          color: 'var(--ink)',
          fontSize: 13,
          lineHeight: LINE_HEIGHT,
          margin: 10,
        },
      },
      series: [
        {
          type: 'custom',
          data: sorted.map((row, index) => [row.perplexity, index, row.standard_error ?? 0]),
          renderItem: (_: unknown, api: CustomItemApi) => {
            const [value, index, error] = [api.value(0), api.value(1), api.value(2)];
            const [x = 0, y = 0] = api.coord([value, index]);
            const [low = 0] = api.coord([Math.max(value - error, dense.perplexity * 0.9), index]);
            const [high = 0] = api.coord([value + error, index]);
            const whisker = {
              type: 'line',
              shape: { x1: low, y1: y, x2: high, y2: y },
              style: { stroke: 'var(--muted)', lineWidth: 2 },
            };
            const text = {
              text: words[index] ?? '',
              fill: 'var(--ink)',
              fontSize: 13,
              verticalAlign: 'middle',
            };
            return {
              type: 'group',
              children: [
                ...(error > 0 ? [whisker] : []),
                { type: 'circle', shape: { cx: x, cy: y, r: 5 }, style: { fill: 'var(--accent)' } },
                { type: 'text', x: high + 10, y, style: { ...text, fontFamily: 'inherit' } },
              ],
            };
          },
        },
        {
          type: 'custom',
          silent: true,
          data: [[dense.perplexity, 0]],
          renderItem: (_: unknown, api: CustomItemApi) => {
            const [x = 0, y = 0] = api.coord([dense.perplexity, 0]);
            const top = y - rowHeight / 2;
            const style = { stroke: 'var(--before)', lineWidth: 2, lineDash: [4, 4] };
            return {
              type: 'line',
              shape: { x1: x, y1: top, x2: x, y2: top + sorted.length * rowHeight },
              style,
            };
          },
        },
      ],
    },
  };
}

function brokenName(name: string): string {
  const lines = [''];
  for (const part of name.split(/(?=[+@])|(?<=,)/)) {
    const line = `${lines.at(-1)}${part}`;
    if (line.length > LINE_CHARACTERS && lines.at(-1) !== '') lines.push(part);
    else lines[lines.length - 1] = line;
  }
  return lines.join('\n');
}

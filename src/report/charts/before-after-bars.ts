/**
 * Two bars: one figure of the dense and of the pruned model, with a whisker of one standard error.
 * @module
 */
import type { Chart, CustomItemApi } from './render-svg.js';
import { plainAxis } from './render-svg.js';

/** A figure before or after pruning; `text` is how it is written. */
export interface Figure {
  readonly value: number;
  /** Null or left out where it isn't known; there is no whisker then. */
  readonly standardError?: number | null;
  readonly text: string;
}

/** One small panel; a missing side gets no bar. */
export interface BeforeAfter {
  readonly title: string;
  readonly before: Figure | null;
  readonly after: Figure | null;
}

/** Draws one panel, to be set in a grid of them. */
export function beforeAfterBars(panel: BeforeAfter): Chart {
  const rows = [
    { name: 'dense', figure: panel.before, color: 'var(--before)' },
    { name: 'pruned', figure: panel.after, color: 'var(--accent)' },
  ].flatMap(({ figure, ...row }) => (figure ? [{ ...row, figure }] : []));
  const top = rows.reduce(
    (most, { figure }) => Math.max(most, figure.value + (figure.standardError ?? 0)),
    0,
  );
  return {
    width: 430,
    height: rows.length * 34 + 4,
    label: `${panel.title}: ${rows.map((row) => `${row.name} ${row.figure.text}`).join(', ')}`,
    titles: rows.map((row) => `${row.name}: ${row.figure.text}`),
    option: {
      grid: { left: 58, right: 118, top: 2, bottom: 2 },
      xAxis: { ...plainAxis, type: 'value', min: 0, max: top || 1, axisLabel: { show: false } },
      yAxis: {
        ...plainAxis,
        type: 'category',
        inverse: true,
        data: rows.map((row) => row.name),
        axisLabel: { color: 'var(--muted)', fontSize: 13, margin: 10 },
      },
      series: [
        {
          type: 'bar',
          barWidth: 20,
          emphasis: { disabled: true },
          data: rows.map(({ figure, color }) => ({
            value: figure.value,
            itemStyle: { color, borderRadius: [0, 3, 3, 0] },
          })),
        },
        {
          type: 'custom',
          silent: true,
          data: rows.map(({ figure }, row) => [figure.value, row, figure.standardError ?? 0]),
          renderItem: (_: unknown, api: CustomItemApi) => {
            const row = api.value(1);
            const value = api.value(0);
            const error = api.value(2);
            const [low = 0, y = 0] = api.coord([Math.max(value - error, 0), row]);
            const [high = 0] = api.coord([value + error, row]);
            const [end = 0] = api.coord([value, row]);
            const style = { stroke: 'var(--ink)', lineWidth: 1 };
            const line = (x1: number, y1: number, x2: number, y2: number) => ({
              type: 'line',
              shape: { x1, y1, x2, y2 },
              style,
            });
            const whisker =
              error > 0
                ? [line(low, y, high, y), line(low, y - 4, low, y + 4), line(high, y - 4, high, y + 4)]
                : [];
            const text = {
              type: 'text',
              x: Math.max(high, end) + 10,
              y,
              style: {
                text: rows[row]?.figure.text ?? '',
                fill: 'var(--ink)',
                fontSize: 13,
                fontFamily: 'inherit',
                verticalAlign: 'middle',
              },
            };
            return { type: 'group', children: [...whisker, text] };
          },
        },
      ],
    },
  };
}

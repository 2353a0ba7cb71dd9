/**
 * Bars: where the time of a run went, by stage and phase.
 * @module
 */
import { formatPercent, formatSeconds } from '../format.js';
import type { Report } from '../report-schema.js';
import type { Chart, CustomItemApi } from './render-svg.js';
import { plainAxis } from './render-svg.js';

/** One bar per phase in the order of the run; null when no phase took time. */
export function timeBars(report: Report, layout: 'wide' | 'narrow'): Chart | null {
  const phases = report.phases.filter((phase) => phase.seconds > 0);
  if (phases.length === 0) return null;
  const total = phases.reduce((sum, phase) => sum + phase.seconds, 0);
  const wide = layout === 'wide';
  const rows = phases.map((phase, i) => ({
    ...phase,
    opensStage: phases[i - 1]?.stage !== phase.stage,
    time: formatSeconds(phase.seconds),
    share: phase.seconds / total < 0.005 ? '<1 %' : formatPercent(phase.seconds / total, 0),
  }));
  const fontSize = wide ? 13 : 12;
  const { left, right } = wide ? { left: 210, right: 150 } : { left: 168, right: 112 };
  const width = wide ? 920 : 360;
  const titles = rows.map((row) => `${row.stage}, ${row.phase}: ${row.time}`);
  const text = (x: number, y: number, content: string, fill: string, align: string) => ({
    type: 'text',
    x,
    y,
    style: { text: content, fill, fontSize, fontFamily: 'inherit', align, verticalAlign: 'middle' },
  });
  return {
    width,
    height: rows.length * 26 + 8,
    label: `Seconds in each phase: ${titles.join('; ')}`,
    titles,
    option: {
      grid: { left, right, top: 2, bottom: 2 },
      xAxis: { ...plainAxis, type: 'value', axisLabel: { show: false }, max: 'dataMax' },
      yAxis: {
        ...plainAxis,
        type: 'category',
        inverse: true,
        data: rows.map((row) => row.phase),
        axisLabel: { interval: 0, color: 'var(--ink)', fontSize, margin: 12 },
      },
      series: [
        {
          type: 'bar',
          barWidth: 14,
          emphasis: { disabled: true },
          data: rows.map(({ seconds, stage }) => ({
            value: seconds,
            itemStyle: {
              color: stage === 'prune' ? 'var(--accent)' : 'var(--before)',
              borderRadius: [0, 3, 3, 0],
            },
          })),
        },
        {
          type: 'custom',
          silent: true,
          data: rows.map(({ seconds }, row) => [seconds, row]),
          renderItem: (_: unknown, api: CustomItemApi) => {
            const row = rows[api.value(1)] as (typeof rows)[number];
            const [end = 0, y = 0] = api.coord([api.value(0), api.value(1)]);
            return {
              type: 'group',
              children: [
                ...(row.opensStage ? [text(0, y, row.stage, 'var(--muted)', 'left')] : []),
                text(end + 10, y, row.time, 'var(--ink)', 'left'),
                text(width, y, row.share, 'var(--muted)', 'right'),
              ],
            };
          },
        },
      ],
    },
  };
}

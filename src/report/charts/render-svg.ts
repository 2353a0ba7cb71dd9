/**
 * Draws an echarts option as an SVG string on the server, styled by the page's CSS variables.
 * @module
 */
import type { EChartsCoreOption } from 'echarts/core';
// The whole library in one file loads in a fifth of the time, and of the memory, that its few modules with all their
// parts take.
import { init } from 'echarts/dist/echarts.esm.min.mjs';
import { escapeHtml, type Html, trusted } from '../html.js';

/** A drawing: what echarts needs, its size in CSS pixels and the words that stand for it. */
export interface Chart {
  readonly option: EChartsCoreOption;
  readonly width: number;
  readonly height: number;
  /** Read out in place of the picture. */
  readonly label: string;
  /** Tooltip of data item i of series 0. */
  readonly titles?: readonly string[];
}

/** One chart as an `<svg>` element that scales with its container. */
export function renderSvg(chart: Chart): Html {
  const instance = init(null, null, { renderer: 'svg', ssr: true, width: chart.width, height: chart.height });
  try {
    instance.setOption({
      animation: false,
      backgroundColor: 'transparent',
      textStyle: { fontFamily: 'inherit', color: 'var(--muted)' },
      ...chart.option,
    });
    const drawing = instance.renderToSVGString({ useViewBox: true });
    return trusted(
      withTitles(drawing, chart.titles ?? [])
        .replace(/ ecmeta_\w+="[^"]*"/g, '')
        // Hover styles, their class names numbered over the life of the process. Nothing here is interactive.
        .replace(/<style\b[^>]*>[\s\S]*?<\/style>/g, '')
        .replace(/ class="[^"]*"/g, '')
        .replace(/ (?:xmlns(?::\w+)?|version|baseProfile)="[^"]*"/g, '')
        .replace('<svg ', `<svg role="img" aria-label="${escapeHtml(chart.label)}" `)
        // Ids count up over the life of the process; the same report must give the same page.
        .replace(/\bzr\d+-/g, `${chartId(chart)}-`),
    );
  } finally {
    instance.dispose();
  }
}

/** Puts each data item's `<title>` into its element, which the drawing marks by series and index. */
function withTitles(drawing: string, titles: readonly string[]): string {
  return drawing.replace(
    /(<path [^>]*ecmeta_series_index="0" ecmeta_data_index="(\d+)"[^>]*>)<\/path>/g,
    (element, open: string, index: string) => {
      const title = titles[Number(index)];
      return title === undefined ? element : `${open}<title>${escapeHtml(title)}</title></path>`;
    },
  );
}

function chartId(chart: Chart): string {
  return `${chart.label.toLowerCase().replace(/[^a-z0-9]+/g, '-')}-${chart.width}`;
}

/** Look of an axis without decoration: muted labels, hairline grid. */
export const plainAxis = {
  axisLine: { show: false },
  axisTick: { show: false },
  splitLine: { show: false, lineStyle: { color: 'var(--line)' } },
  minorSplitLine: { show: false },
  axisLabel: { color: 'var(--muted)', fontSize: 12 },
  nameTextStyle: { color: 'var(--muted)', fontSize: 12 },
} as const;

/** The two members of echarts' `CustomSeriesRenderItemAPI` that the charts draw with. */
export interface CustomItemApi {
  value(dimension: number): number;
  /** Pixels of a point of the axes. */
  coord(point: [number, number]): number[];
}

/** echarts' `interval`: how many labels of `count` to skip after each shown one, so that `room` are enough. */
export function skippedLabels(count: number, room: number): number {
  return ([1, 2, 5, 10, 20, 50].find((step) => count / step <= room) ?? Math.ceil(count / room)) - 1;
}

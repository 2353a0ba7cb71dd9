/**
 * One line of a progress display, fitted into a width.
 * @module
 */
import type { Colours } from '../colours.js';

export interface ProgressLineContent {
  readonly label: string;
  /** Between 0 and 1. */
  readonly fraction: number;
  /** Most important first; those that don't fit are left out from the end. */
  readonly figures: readonly string[];
}

const LABEL_COLUMNS = 16;
const WIDEST_BAR = 36;
const NARROWEST_BAR = 12;

/** Columns that a bar may have beside the label and the figures that fit, 0 where none fits. */
export function barColumns(content: ProgressLineContent, width: number): number {
  return layOut(content, width).columns;
}

/**
 * `label ━━━━━━──── figure  figure`, at most `width` columns; the bar gives way before the first figure does.
 * @param widestBar to give several lines bars of one length
 */
export function progressLine(
  content: ProgressLineContent,
  width: number,
  colours: Pick<Colours, 'green' | 'dim'> & { readonly label: (text: string) => string },
  widestBar = WIDEST_BAR,
): string {
  const { figures, columns: room } = layOut(content, width);
  const label = content.label.padEnd(LABEL_COLUMNS);
  const columns = Math.min(room, widestBar);
  if (columns === 0) return `${label.trimEnd()}  ${figures[0] ?? ''}`.slice(0, Math.max(width, 0));
  const full = Math.round(Math.min(Math.max(content.fraction, 0), 1) * columns);
  const bar = `${colours.green('━'.repeat(full))}${colours.dim('─'.repeat(columns - full))}`;
  return `${colours.label(label)} ${bar}${figures.map((figure) => `  ${figure}`).join('')}`;
}

function layOut(content: ProgressLineContent, width: number): { figures: string[]; columns: number } {
  const figures = [...content.figures];
  const room = () => width - LABEL_COLUMNS - 1 - figures.reduce((sum, figure) => sum + figure.length + 2, 0);
  while (figures.length > 1 && room() < NARROWEST_BAR) figures.pop();
  return { figures, columns: room() < NARROWEST_BAR ? 0 : Math.min(room(), WIDEST_BAR) };
}

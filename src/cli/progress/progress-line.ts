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
const NARROWEST_BAR = 8;

/** `label ━━━━━━──── figure  figure`, at most `width` columns; the bar gives way before the first figure does. */
export function progressLine(
  content: ProgressLineContent,
  width: number,
  colours: Pick<Colours, 'green' | 'dim'> & { readonly label: (text: string) => string },
): string {
  const label = content.label.padEnd(LABEL_COLUMNS);
  const figures = [...content.figures];
  const needed = () =>
    LABEL_COLUMNS + 1 + NARROWEST_BAR + figures.reduce((sum, figure) => sum + figure.length + 2, 0);
  while (figures.length > 1 && needed() > width) figures.pop();
  const room = width - (needed() - NARROWEST_BAR);
  if (room < NARROWEST_BAR) return `${label.trimEnd()}  ${figures[0] ?? ''}`.slice(0, Math.max(width, 0));
  const columns = Math.min(room, WIDEST_BAR);
  const full = Math.round(Math.min(Math.max(content.fraction, 0), 1) * columns);
  const bar = `${colours.green('━'.repeat(full))}${colours.dim('─'.repeat(columns - full))}`;
  return `${colours.label(label)} ${bar}${figures.map((figure) => `  ${figure}`).join('')}`;
}

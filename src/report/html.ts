/**
 * HTML by template literal, escaped unless it is already HTML.
 * @module
 */

/** A piece of finished markup; only `html` and `trusted` make one. */
export class Html {
  constructor(readonly markup: string) {}
  toString(): string {
    return this.markup;
  }
}

type Value = Html | string | number | null | undefined | false | readonly Value[];

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** `text` made safe as HTML content and inside a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}

/** Takes `markup` as it is: for what this program drew itself, never for anything read from a file. */
export function trusted(markup: string): Html {
  return new Html(markup);
}

function toMarkup(value: Value): string {
  if (value instanceof Html) return value.markup;
  if (value === null || value === undefined || value === false) return '';
  if (typeof value === 'string') return escapeHtml(value);
  if (typeof value === 'number') return String(value);
  return value.map(toMarkup).join('');
}

/** Tag for template literals: strings are escaped, `Html` is kept, arrays are joined, null and false vanish. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.reduce((out, part, i) => out + toMarkup(values[i - 1]) + part));
}

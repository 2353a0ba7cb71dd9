/**
 * A list of names that stays short in a message.
 * @module
 */

/** Names that are given; the others are counted. */
const NAMED = 5;

/** The first names, and how many more there are. */
export function nameSome(names: readonly string[]): string {
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

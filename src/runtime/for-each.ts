/**
 * Visiting a list, one item after the other or all at once.
 * @module
 */
import { settle } from './worker-pool.js';

/** @throws the first failure; items under way are waited for, and one after the other none is begun after it */
export async function forEach<Item>(
  list: readonly Item[],
  oneByOne: boolean,
  visit: (item: Item) => Promise<void>,
): Promise<void> {
  if (oneByOne) for (const item of list) await visit(item);
  else await settle(list.map(visit));
}

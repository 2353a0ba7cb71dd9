/**
 * Results that come in any order, taken in one.
 * @module
 */

export class InOrder<Item extends object> {
  readonly #take: (item: Item) => void;
  /** Those that have come before one that goes first. */
  readonly #early = new Map<number, Item>();
  #next = 0;

  /** @param take called once for each item, in the order of their indices */
  constructor(take: (item: Item) => void) {
    this.#take = take;
  }

  /** Takes the item, and those that waited for it, or lets it wait. Each index from 0 on comes once. */
  put(index: number, item: Item): void {
    this.#early.set(index, item);
    for (;;) {
      const next = this.#early.get(this.#next);
      if (next === undefined) return;
      this.#early.delete(this.#next++);
      this.#take(next);
    }
  }
}

/**
 * Native memory that one use after another takes, as large as the largest of them needs.
 * @module
 */
import { allocateNative, discardNative, freeNative, type NativeRegion } from './native-memory.js';

export class KeptRegion {
  #region: NativeRegion | undefined;

  /** At least so many bytes, with whatever they hold. */
  take(bytes: number): bigint {
    if (!this.#region || this.#region.bytes < bytes) {
      this.dispose();
      this.#region = allocateNative(bytes);
    }
    return this.#region.address;
  }

  /** At least so many bytes, all of them zero. */
  takeCleared(bytes: number): bigint {
    this.discard();
    return this.take(bytes);
  }

  /** As many times, one after the other, places for f32 elements by name. */
  takeSlots(
    elements: readonly (readonly [name: string, elements: number])[],
    count: number,
  ): Map<string, bigint>[] {
    const bytes = elements.reduce((sum, [, each]) => sum + each, 0) * 4;
    const address = this.take(bytes * count);
    return Array.from({ length: count }, (_, slot) => placesFrom(address + BigInt(slot * bytes), elements));
  }

  /** Gives the memory back to the system until it is written again; it then holds zeros. */
  discard(): void {
    if (this.#region) discardNative(this.#region);
  }

  dispose(): void {
    if (this.#region) freeNative(this.#region);
    this.#region = undefined;
  }
}

/** Places one after the other from an address on, by name. @param elements f32, of each */
export function placesFrom(
  address: bigint,
  elements: Iterable<readonly [name: string, elements: number]>,
): Map<string, bigint> {
  let next = address;
  const places = new Map<string, bigint>();
  for (const [name, count] of elements) {
    places.set(name, next);
    next += BigInt(count * 4);
  }
  return places;
}

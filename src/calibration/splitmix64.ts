/**
 * A small seeded generator of random numbers, the same on every machine.
 * @module
 */

const mask = 2n ** 64n - 1n;

/**
 * SplitMix64 (Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", 2014): a counter that goes up by
 * the golden ratio, through a mixing function.
 */
export class SplitMix64 {
  #state: bigint;

  /** @param seed an integer; taken modulo 2⁶⁴ */
  constructor(seed: number | bigint) {
    this.#state = BigInt(seed) & mask;
  }

  /** The next 64 bits. */
  next(): bigint {
    this.#state = (this.#state + 0x9e3779b97f4a7c15n) & mask;
    let z = this.#state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    return z ^ (z >> 31n);
  }

  /** A uniform integer of 0 … `count` − 1; draws that would favour small numbers are thrown away. */
  below(count: number): number {
    const size = BigInt(count);
    const usable = 2n ** 64n - (2n ** 64n % size);
    let bits = this.next();
    while (bits >= usable) bits = this.next();
    return Number(bits % size);
  }

  /**
   * `count` different integers of 0 … `range` − 1, every set equally likely, by Floyd's algorithm (Bentley & Floyd,
   * "A sample of brilliance", CACM 30(9), 1987). The order is the one in which they were drawn.
   */
  sample(range: number, count: number): number[] {
    const chosen = new Set<number>();
    for (let last = range - count; last < range; last++) {
      const draw = this.below(last + 1);
      chosen.add(chosen.has(draw) ? last : draw);
    }
    return [...chosen];
  }
}

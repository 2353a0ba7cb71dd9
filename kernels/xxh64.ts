/** @module */

const PRIME_1: u64 = 0x9e3779b185ebca87;
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME_3: u64 = 0x165667b19e3779f9;
const PRIME_4: u64 = 0x85ebca77c2b2ae63;
const PRIME_5: u64 = 0x27d4eb2f165667c5;

function round(sum: u64, value: u64): u64 {
  return rotl<u64>(sum + value * PRIME_2, 31) * PRIME_1;
}

function merge(hash: u64, sum: u64): u64 {
  return (hash ^ round(0, sum)) * PRIME_1 + PRIME_4;
}

/** Puts the four u64 at `state` to what they are before any data; the seed is 0. */
export function xxh64Begin(state: usize): void {
  store<u64>(state, PRIME_1 + PRIME_2);
  store<u64>(state, PRIME_2, 8);
  store<u64>(state, 0, 16);
  store<u64>(state, 0 - PRIME_1, 24);
}

/** Adds `n` stripes of 32 bytes. */
export function xxh64Stripes(state: usize, data: usize, n: usize): void {
  let a = load<u64>(state);
  let b = load<u64>(state, 8);
  let c = load<u64>(state, 16);
  let d = load<u64>(state, 24);
  for (const end = data + (n << 5); data < end; data += 32) {
    a = round(a, load<u64>(data));
    b = round(b, load<u64>(data, 8));
    c = round(c, load<u64>(data, 16));
    d = round(d, load<u64>(data, 24));
  }
  store<u64>(state, a);
  store<u64>(state, b, 8);
  store<u64>(state, c, 16);
  store<u64>(state, d, 24);
}

/**
 * The low half of XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md) of `total` bytes, of which those at
 * `rest` are the last, fewer than a stripe.
 */
export function xxh64End(state: usize, rest: usize, total: f64): u32 {
  let hash = PRIME_5;
  if (total >= 32) {
    const a = load<u64>(state);
    const b = load<u64>(state, 8);
    const c = load<u64>(state, 16);
    const d = load<u64>(state, 24);
    hash = rotl<u64>(a, 1) + rotl<u64>(b, 7) + rotl<u64>(c, 12) + rotl<u64>(d, 18);
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  }
  hash += <u64>total;
  const end = rest + <usize>(<u64>total & 31);
  for (; rest + 8 <= end; rest += 8) {
    hash = rotl<u64>(hash ^ round(0, load<u64>(rest)), 27) * PRIME_1 + PRIME_4;
  }
  if (rest + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(rest) * PRIME_1), 23) * PRIME_2 + PRIME_3;
    rest += 4;
  }
  for (; rest < end; rest++) hash = rotl<u64>(hash ^ (<u64>load<u8>(rest) * PRIME_5), 11) * PRIME_1;
  hash = (hash ^ (hash >> 33)) * PRIME_2;
  hash = (hash ^ (hash >> 29)) * PRIME_3;
  return <u32>(hash ^ (hash >> 32));
}

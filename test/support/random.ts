/** Seeded random numbers for tests. @module */

/** Uniform in [0, 1), mulberry32. */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal f32, Box–Muller. */
export function normals(count: number, seed: number): Float32Array {
  const next = uniform(seed);
  return Float32Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    return radius * Math.cos(2 * Math.PI * next());
  });
}

/** Correlated activations [tokens, features]: each feature is mixed with its neighbours, and their scales differ. */
export function correlatedActivations(tokens: number, features: number, seed: number): Float32Array {
  const noise = normals(tokens * features, seed);
  const x = new Float32Array(tokens * features);
  for (let t = 0; t < tokens; t++) {
    for (let j = 0; j < features; j++) {
      let value = 0;
      for (let k = Math.max(0, j - 3); k <= j; k++)
        value += (noise[t * features + k] as number) * 0.8 ** (j - k);
      x[t * features + j] = value * (1 + (j % 7));
    }
  }
  return x;
}

/**
 * What is measured against what, and what is hoped for.
 * @module
 */

/** What is pruned how. Without a pattern, half of the weights go. */
export const CASES = [
  { name: 'sparsegpt-50', method: 'sparsegpt' },
  { name: 'sparsegpt-2of4', method: 'sparsegpt', pattern: '2:4' },
  { name: 'wanda-50', method: 'wanda' },
  { name: 'wanda-2of4', method: 'wanda', pattern: '2:4' },
];

/** Who is measured beside secateur. */
export const PEERS = ['llmcompressor', 'published'];

/**
 * Targets against each peer: how many times as fast secateur has to be by method, which share of the peer's peak memory
 * it may use, and whether its perplexity has to keep up.
 */
export const TARGETS = {
  llmcompressor: { speed: { sparsegpt: 1.7, wanda: 1.6 }, memory: 1 / 3, perplexity: true },
  published: { speed: { sparsegpt: 1.6, wanda: 1.4 }, memory: 1 / 2, perplexity: false },
};

/** Perplexities whose ratio is within this of 1 count as equal: ties and roundings alone move them about as much. */
export const EQUAL_PERPLEXITY = 0.005;

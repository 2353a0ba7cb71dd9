/**
 * Memory of the sessions that differentiate blocks.
 * @module
 */
import { peakIntermediateBytes } from '../../graph/intermediate-bytes.js';
import type { CountedGraph } from './estimate-flops.js';

/**
 * What a session's arena grows to, as a multiple of what is alive at the same time, since the memory of a value is kept for a
 * later one of the same shape; and what each of its many operators takes of the session.
 */
const BACKWARD = { arena: 1.5, operatorBytes: 5_500 };

/** What the sessions of graphs that differentiate a block come to have. */
export function backwardSessions(graphs: readonly CountedGraph[]): number[] {
  return graphs.map(
    ({ graph }) =>
      BACKWARD.arena * peakIntermediateBytes(graph) + BACKWARD.operatorBytes * graph.nodes.length,
  );
}

/**
 * What the command line needs from the library, so that it can also be run against another one.
 * @module
 */
export type {
  CompareResult,
  EvaluateResult,
  FetchedModel,
  InspectedLinear,
  InspectedTensor,
  InspectResult,
  Plan,
  PlannedLayer,
  PruneResult,
} from '../index.js';

/** The part of the package's exports that the commands call. */
export type Library = Pick<
  typeof import('../index.js'),
  'prune' | 'plan' | 'evaluate' | 'compare' | 'inspect' | 'fetchModel' | 'runSchema' | 'renderReport'
>;

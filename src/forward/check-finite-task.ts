/**
 * Worker task: looks for weights that aren't finite, in the file as it lies.
 * @module
 */
import { type NonFiniteElement, readElements, type StoredElements } from './read-elements.js';

/** The first element that isn't finite, with its value; undefined when all are. */
export function findNonFinite(elements: StoredElements): NonFiniteElement | undefined {
  return readElements(elements, () => {});
}

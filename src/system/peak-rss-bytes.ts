/**
 * The memory of this process.
 * @module
 */

/** The most bytes that have been resident so far, of all threads. */
export function peakRssBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

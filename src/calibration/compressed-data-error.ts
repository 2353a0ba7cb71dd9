/**
 * What is wrong with compressed data.
 * @module
 */

/** The data aren't compressed in the way they should be, are damaged or end early. */
export class CompressedDataError extends Error {}

/**
 * Sizes that a file names.
 * @module
 */

/**
 * A whole number of a footer or a page's head, which may come as anything.
 * @param what it is, for the message
 * @throws Error when it is no size, or greater than `limit`
 */
export function requireSize(value: unknown, limit: number, what: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0)
    throw new Error(`${what} is no size`);
  if (number > limit) throw new Error(`${what} is ${number}, the limit is ${limit}`);
  return number;
}

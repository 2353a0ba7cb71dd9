/**
 * How a process that another one of ours has started knows that it is to stop when nobody reads its progress any more.
 * @module
 */

/** An environment variable. */
export const STOPS_UNREAD = 'SECATEUR_STOPS_UNREAD';

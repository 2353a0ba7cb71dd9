/**
 * Terminal colours, or none.
 * @module
 */
import type { OutputStream } from './cli-context.js';

const CODES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const;

/** Functions that wrap a text in SGR sequences; identities where colours are off. */
export type Colours = Readonly<Record<keyof typeof CODES, (text: string) => string>>;

/** Colours for a terminal, unless `NO_COLOR` is set to anything (no-color.org) or `TERM` is `dumb`. */
export function coloursFor(stream: OutputStream, env: Readonly<Record<string, string | undefined>>): Colours {
  const on = stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  const wrap = ([open, close]: readonly [number, number]) =>
    on ? (text: string) => `\u001b[${open}m${text}\u001b[${close}m` : (text: string) => text;
  return {
    bold: wrap(CODES.bold),
    dim: wrap(CODES.dim),
    red: wrap(CODES.red),
    green: wrap(CODES.green),
    yellow: wrap(CODES.yellow),
  };
}

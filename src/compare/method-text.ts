/**
 * A method with what follows it, in one word: `wanda[scope=tensor]+least_squares@owl[lambda=0.1]`.
 * @module
 */
import { type Override, parseOverride } from '../config/overrides.js';
import { RequestError } from '../errors.js';
import { splitOutsideBrackets } from './split-outside-brackets.js';

export interface NamedPart {
  readonly name: string;
  /** What stands in brackets behind it: its own options, and keys of the run file, which have a dot in them. */
  readonly overrides: readonly Override[];
}

export interface MethodText {
  readonly method: NamedPart;
  /** Refinements and updates. */
  readonly steps: readonly NamedPart[];
  readonly allocation: NamedPart | undefined;
}

/** @throws RequestError showing what it can't read */
export function parseMethodText(text: string): MethodText {
  const [chain = '', allocation, ...more] = splitOutsideBrackets(text, '@');
  if (more.length > 0) throw new RequestError(`${text}: more than one allocation`);
  const [first = '', ...steps] = splitOutsideBrackets(chain, '+');
  // A name may end in two plus signs itself.
  const endsInPluses = steps[0] === '' && /^(\[|$)/.test(steps[1] ?? '-');
  const method = endsInPluses ? `${first}++${steps[1]}` : first;
  const named = (part: string) => parsePart(part, text);
  return {
    method: named(method),
    steps: steps.slice(endsInPluses ? 2 : 0).map(named),
    allocation: allocation === undefined ? undefined : named(allocation),
  };
}

function parsePart(part: string, text: string): NamedPart {
  const match = /^([^[\]]*)(?:\[(.*)\])?$/s.exec(part);
  if (!match) {
    throw new RequestError(
      `${text}: brackets hold options and end what they belong to: wanda++[rounds=3]@owl`,
    );
  }
  const [, name = '', options] = match;
  const texts = options === undefined ? [] : splitOutsideBrackets(options, ',');
  return { name, overrides: texts.map((each) => parseOverride(each.trim(), `${text}:`)) };
}

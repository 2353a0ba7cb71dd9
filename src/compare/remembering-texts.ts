/**
 * Asking the same of a text once, however many runs read it.
 * @module
 */
import type { TextSource } from '../config/text-source.js';

/** Like `ask`, which is called once for each text. */
export function rememberingTexts<Answer>(
  ask: (source: TextSource) => Promise<Answer>,
): (source: TextSource) => Promise<Answer> {
  const known = new Map<string, Promise<Answer>>();
  return (source) => {
    const key = JSON.stringify(source);
    const answer = known.get(key) ?? ask(source);
    known.set(key, answer);
    return answer;
  };
}

/**
 * Text of a given length. What it says does not matter to memory.
 * @module
 */

const LETTERS = 'eeeetttaaaooinnsshhrrdlucm';

/** Words of random letters, the same each time; each is at least one token. */
export function makeText(words) {
  let state = 1;
  // Lehmer's generator with the multiplier of Park and Miller (1988).
  const next = (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  const word = () => Array.from({ length: 2 + next(7) }, () => LETTERS[next(LETTERS.length)]).join('');
  return `${Array.from({ length: words }, word).join(' ')}\n`;
}

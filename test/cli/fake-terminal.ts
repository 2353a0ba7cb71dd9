/**
 * Stands in for a terminal: keeps the screen that the written control sequences would leave.
 * @module
 */
import { Writable } from 'node:stream';

export class FakeTerminal extends Writable {
  readonly isTTY = true;
  raw = '';
  cursorVisible = true;
  #lines: string[][] = [[]];
  #row = 0;
  #column = 0;

  constructor(readonly columns = 80) {
    super({ decodeStrings: false });
  }

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    const text = String(chunk);
    this.raw += text;
    this.#interpret(text);
    done();
  }

  /** Non-empty lines of the screen. */
  get screen(): string[] {
    return this.#lines
      .map((line) =>
        Array.from(line, (cell) => cell ?? ' ')
          .join('')
          .trimEnd(),
      )
      .filter((line) => line !== '');
  }

  #interpret(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal is made of control characters
    for (const [token, , parameters, command] of text.matchAll(/(\u001b\[([?\d;]*)([A-Za-z]))|[^\u001b]/gu)) {
      if (command !== undefined) this.#control(parameters ?? '', command);
      else if (token === '\n') {
        this.#row++;
        this.#column = 0;
        this.#lines[this.#row] ??= [];
      } else if (token === '\r') this.#column = 0;
      else {
        if (this.#column >= this.columns) throw new Error('a line is wider than the terminal');
        (this.#lines[this.#row] as string[])[this.#column++] = token as string;
      }
    }
  }

  #control(parameters: string, command: string): void {
    const count = Number(parameters || 1);
    if (command === 'A') this.#row = Math.max(0, this.#row - count);
    else if (command === 'B') this.#row += count;
    else if (command === 'G') this.#column = count - 1;
    else if (command === 'K') {
      if (parameters === '0' || parameters === '') this.#lines[this.#row]?.splice(this.#column);
      else this.#lines[this.#row] = [];
    } else if (command === 'J') {
      this.#lines[this.#row]?.splice(this.#column);
      this.#lines.length = this.#row + 1;
    } else if (parameters === '?25') this.cursorVisible = command === 'h';
    else if (command !== 'm' && parameters !== '?7')
      throw new Error(`unknown sequence ${parameters}${command}`);
  }
}

/**
 * Chat templates: a conversation → the text that the model was trained to see.
 * @module
 */
import { RequestError } from '../errors.js';

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/** Longest list that a template's `range()` may ask for. */
const maximumRange = 100_000;

/** The day that templates are told it is: a run must give the same tokens whenever it happens. */
const today = new Date(Date.UTC(2024, 6, 26));

const months = 'January February March April May June July August September October November December'.split(
  ' ',
);

/** Python's `strftime` for the directives that published templates use, of {@link today}. */
function formatToday(format: string): string {
  const month = months[today.getUTCMonth()] as string;
  const two = (value: number) => String(value).padStart(2, '0');
  const parts: Readonly<Record<string, string>> = {
    Y: String(today.getUTCFullYear()),
    m: two(today.getUTCMonth() + 1),
    d: two(today.getUTCDate()),
    B: month,
    b: month.slice(0, 3),
    H: '00',
    M: '00',
    S: '00',
    '%': '%',
  };
  return format.replace(/%(.)/g, (whole, letter: string) => parts[letter] ?? whole);
}

function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= maximumRange)) throw new Error(`range() of ${length} entries`);
  return Array.from({ length }, (_, i) => start + i * step);
}

/** The part of `@huggingface/jinja` that is used here; its own declarations don't resolve from ES modules. */
interface Jinja {
  readonly Template: new (source: string) => { readonly parsed: unknown };
  readonly Environment: new () => { set(name: string, value: unknown): void };
  readonly Interpreter: new (environment: unknown) => { run(program: unknown): { readonly value: unknown } };
}

/** Renders messages to text. Throws RequestError when the template refuses them. */
export type ChatTemplate = (messages: readonly ChatMessage[]) => string;

/**
 * Compiles a chat template as `transformers` does (Jinja with blocks trimmed, the special tokens as variables, no
 * generation prompt), except that its date is always 26 July 2024, the day Llama's templates fall back to.
 * @param source the Jinja text
 * @param name of the file, for messages
 * @param specialTokens such as `bos_token`
 * @throws RequestError when the template's syntax is wrong
 */
export async function compileChatTemplate(
  source: string,
  name: string,
  specialTokens: Readonly<Record<string, string>>,
): Promise<ChatTemplate> {
  const { Template, Environment, Interpreter } = (await import('@huggingface/jinja')) as unknown as Jinja;
  let parsed: unknown;
  try {
    parsed = new Template(source).parsed;
  } catch (cause) {
    throw new RequestError(`${name}: the chat template cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  return (messages) => {
    const variables = {
      ...specialTokens,
      messages,
      add_generation_prompt: false,
      tools: null,
      documents: null,
      true: true,
      false: false,
      none: null,
      True: true,
      False: false,
      None: null,
      range,
      strftime_now: formatToday,
      raise_exception: (message: string) => {
        throw new Error(message);
      },
    };
    try {
      const environment = new Environment();
      for (const [key, value] of Object.entries(variables)) environment.set(key, value);
      return String(new Interpreter(environment).run(parsed).value);
    } catch (cause) {
      throw new RequestError(
        `${name}: the chat template refuses these messages: ${(cause as Error).message}`,
        { cause },
      );
    }
  };
}

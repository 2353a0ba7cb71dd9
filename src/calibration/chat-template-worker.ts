/**
 * The thread in which chat templates run: a program that somebody else wrote, so that it may be stopped, and has
 * little memory.
 *
 * Gets a conversation a message, answers with its text or with why there is none.
 * @module
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { ChatMessage } from './chat-message.js';
import { strftime } from './strftime.js';

/** What the thread is started with. */
export interface ChatTemplateProgram {
  /** Jinja. */
  readonly source: string;
  readonly specialTokens: Readonly<Record<string, string>>;
  /** Characters of a text at most. */
  readonly maximumText: number;
}

/** The thread's first message says whether the template could be read (`text` is empty), each later one answers. */
export type ChatTemplateAnswer = { readonly text: string } | { readonly problem: string };

/** Longest list of a template, of its `range()` too. */
const maximumList = 100_000;

/** The day that templates are told it is: a run must give the same tokens whenever it happens. */
const today = new Date(Date.UTC(2024, 6, 26));

function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= maximumList)) throw new Error(`range() of ${length} entries`);
  return Array.from({ length }, (_, i) => start + i * step);
}

/** The part of `@huggingface/jinja` that is used here; its own declarations don't resolve from ES modules. */
interface Jinja {
  readonly Template: new (source: string) => { readonly parsed: unknown };
  readonly Environment: new () => { set(name: string, value: unknown): void };
  readonly Interpreter: new (
    environment: unknown,
  ) => {
    run(program: unknown): { readonly value: unknown };
    /** What `run` calls for every part of a program, and each part for its own. */
    evaluate(part: unknown, environment: unknown): unknown;
  };
}

/**
 * Parts of a template that are evaluated within each other: some ten in published ones. A stack that is almost used up
 * can end the whole process where a regular expression is compiled on it, so it is not left to run out.
 */
const maximumDepth = 500;

const { Template, Environment, Interpreter } = (await import('@huggingface/jinja')) as unknown as Jinja;
const { source, specialTokens, maximumText } = workerData as ChatTemplateProgram;

/** Lists and texts that double with every step would be enormous before the thread's memory is looked at. */
function checkSize(value: unknown): void {
  if (Array.isArray(value) && value.length > maximumList)
    throw new Error(`a list of more than ${maximumList} entries`);
  if (typeof value === 'string' && value.length > maximumText)
    throw new Error(`a text of more than ${maximumText} characters`);
}

class BoundedInterpreter extends Interpreter {
  #depth = 0;
  override evaluate(part: unknown, environment: unknown): unknown {
    if (++this.#depth > maximumDepth) throw new Error(`more than ${maximumDepth} parts within each other`);
    try {
      const result = super.evaluate(part, environment);
      checkSize((result as { value?: unknown } | undefined)?.value);
      return result;
    } finally {
      this.#depth--;
    }
  }
}

function render(program: unknown, messages: readonly ChatMessage[]): string {
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
    strftime_now: (format: string) => strftime(format, today),
    raise_exception: (message: string) => {
      throw new Error(message);
    },
  };
  const environment = new Environment();
  for (const [key, value] of Object.entries(variables)) environment.set(key, value);
  const { value } = new BoundedInterpreter(environment).run(program);
  checkSize(value);
  return String(value);
}

function answer(make: () => string): void {
  let result: ChatTemplateAnswer;
  try {
    result = { text: make() };
  } catch (error) {
    result = { problem: error instanceof Error ? error.message : String(error) };
  }
  parentPort?.postMessage(result);
}

answer(() => {
  const { parsed } = new Template(source);
  parentPort?.on('message', (messages: readonly ChatMessage[]) => answer(() => render(parsed, messages)));
  return '';
});

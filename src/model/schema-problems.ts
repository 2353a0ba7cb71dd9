/**
 * What is wrong with a config, in words.
 * @module
 */
import { z } from 'zod';

/** Problems that a message lists; a list of many entries has one for each of them. */
const SHOWN_PROBLEMS = 8;

/** The first problems that a schema found, a line each. */
export function schemaProblems({ issues }: z.ZodError): string {
  const shown = z.prettifyError({ issues: issues.slice(0, SHOWN_PROBLEMS) });
  const more = issues.length - SHOWN_PROBLEMS;
  return more > 0 ? `${shown}\n… and ${more} more` : shown;
}

/**
 * Places in `tokenizer.json`, what is read there, and what is refused.
 * @module
 */
import { shortened } from '../../checkpoint/strict-json.js';
import { RequestError } from '../../errors.js';
import { isObject, type JsonObject } from '../json-object.js';

/** A file and the field in it, for messages. */
export interface Place {
  readonly path: string;
  readonly field: string;
}

export const within = ({ path, field }: Place, key: string): Place => ({ path, field: `${field}${key}` });

export function refuse({ path, field }: Place, why: string): never {
  throw new RequestError(`${path}: ${field} ${why}`);
}

export function refuseValue(place: Place, value: unknown): never {
  refuse(place, `is ${shortened(JSON.stringify(value) ?? 'missing')}, which is not supported`);
}

export function objectAt(place: Place, value: unknown): JsonObject {
  return isObject(value) ? value : refuseValue(place, value);
}

export function textAt(place: Place, value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : refuseValue(place, value);
}

export function listAt(place: Place, value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : refuseValue(place, value);
}

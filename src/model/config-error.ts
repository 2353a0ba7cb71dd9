/**
 * The error of what describes a model.
 * @module
 */
import { RequestError } from '../errors.js';

/** A config says what can't be described. `describeModel` puts the path of the config before the message. */
export class ConfigError extends RequestError {}

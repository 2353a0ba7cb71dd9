/**
 * A turn of a conversation, as chat templates and `messages` in calibration data know it.
 * @module
 */

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

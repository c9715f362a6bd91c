import { type JsonBounds, type JsonFault, measureJson } from '../../../bound-json.js';
import { UnreadBodyError } from './unread-body-error.js';

/**
 * Reads JSON that is bounded first, then parsed. `__proto__` is refused wherever it stands; `constructor` is a name like
 * others, as nothing here merges objects into one another.
 *
 * @param hold told what it takes once it is parsed, before it is
 * @throws UnreadBodyError; SyntaxError for what is no JSON
 */
export function parseJson(body: Buffer, bounds: JsonBounds, hold?: (bytes: number) => void): unknown {
  const measured = measureJson(body, bounds);
  if (typeof measured === 'string') throw refusal(measured, bounds);
  hold?.(measured);
  return JSON.parse(withoutByteOrderMark(body.toString()));
}

const withoutByteOrderMark = (text: string): string => (text.startsWith('\uFEFF') ? text.slice(1) : text);

function refusal(fault: JsonFault, bounds: JsonBounds): UnreadBodyError {
  if (fault === 'prototype') return new UnreadBodyError(400, 'The request body has a member named __proto__.');
  const most = bounds[fault].toLocaleString('en');
  const messages = {
    elements: `The request body has more than ${most} elements: objects, lists, and what stands in them.`,
    names: `The members of the request body have more than ${most} different names.`,
    levels: `The request body has more than ${most} levels of objects and lists.`,
  };
  return new UnreadBodyError(413, messages[fault]);
}

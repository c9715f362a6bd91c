import { expect, test } from '@jest/globals';
import { createSeal } from '../../src/secrets/seal.js';
import { createSealedPlaces } from '../../src/secrets/sealed-place.js';

const key = (fill: number) => Buffer.alloc(32, fill).toString('base64');
const places = createSealedPlaces(createSeal([key(1)]));

test.each([0, 1, 629, Number.MAX_SAFE_INTEGER])(
  '%p opens wherever the same key is, and while it is kept',
  async (place) => {
    const sealed = await places.seal('org_a', place);
    expect(await createSealedPlaces(createSeal([key(1)])).open('org_a', sealed)).toBe(place);
    expect(await createSealedPlaces(createSeal([key(2), key(1)])).open('org_a', sealed)).toBe(place);
    expect(await createSealedPlaces(createSeal([key(2)])).open('org_a', sealed)).toBeNull();
  },
);

test('sealed, one place is like any other, and like itself', async () => {
  const sealed = await Promise.all([1, 1, 999_999].map((place) => places.seal('org_a', place)));
  expect(new Set(sealed).size).toBe(3);
  expect(new Set(sealed.map(({ length }) => length)).size).toBe(1);
  for (const each of sealed) {
    const read = each.split('.').map((text) => Buffer.from(text, 'base64url').toString());
    expect(read.join(' ')).not.toMatch(/999999|0000001/);
  }
});

test('what was sealed of another organization, for something else, altered, or never, opens nowhere', async () => {
  const sealed = await places.seal('org_a', 7);
  expect(await places.open('org_b', sealed)).toBeNull();
  expect(await places.open('org_a', await createSeal([key(1)]).seal('7', 'webhook/org_a/7'))).toBeNull();
  for (const part of [0, 2, 3, 4]) {
    const parts = sealed.split('.');
    const bytes = Buffer.from(parts[part] ?? '', 'base64url');
    bytes[3] = (bytes[3] ?? 0) ^ 1;
    parts[part] = bytes.toString('base64url');
    expect(await places.open('org_a', parts.join('.'))).toBeNull();
  }
  for (const each of ['', 'x', '....', 'bm8', Buffer.from('["AAAAAAAA",7]').toString('base64url')]) {
    expect(await places.open('org_a', each)).toBeNull();
  }
});

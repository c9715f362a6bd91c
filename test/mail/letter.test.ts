import { expect, test } from '@jest/globals';
import { writeLetter } from '../../src/mail/letter.js';

const letter = {
  subject: 'Join Tom & <b>Jerry</b>',
  parts: [
    'Ann "the <i>cat</i>" invites you.',
    { code: 'a < b\nc' },
    { action: 'Open', url: 'https://orgate.example/?a=1&b="' },
  ],
  closing: 'If you did <not> expect it, do nothing.',
};

test('a letter says the same as plain text and as a page', () => {
  const { text } = writeLetter(letter);
  expect(text).toBe(
    'Ann "the <i>cat</i>" invites you.\n\na < b\nc\n\nOpen:\nhttps://orgate.example/?a=1&b="\n\nIf you did <not> expect it, do nothing.\n',
  );
});

test('what people typed is text on the page, too; nothing there is fetched, and nothing runs', () => {
  const { html } = writeLetter(letter);
  for (const each of [
    '<title>Join Tom &amp; &lt;b&gt;Jerry&lt;/b&gt;</title>',
    'Ann &quot;the &lt;i&gt;cat&lt;/i&gt;&quot; invites you.',
    'a &lt; b\nc',
    'href="https://orgate.example/?a=1&amp;b=&quot;"',
    'If you did &lt;not&gt; expect it',
  ])
    expect(html).toContain(each);
  expect(html).not.toMatch(/<(script|img|link|iframe|form)|url\(|src=|@import/i);
});

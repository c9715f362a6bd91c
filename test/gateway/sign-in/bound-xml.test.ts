import { expect, test } from '@jest/globals';
import { boundXml } from '../../../src/gateway/sign-in/bound-xml.js';

const times = (count: number, make: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => make(index)).join('');
const response = (inner: string): string => `<samlp:Response ID="r" Version='2.0'>${inner}</samlp:Response>`;
const EXCLUSIVE = 'http://www.w3.org/2001/10/xml-exc-c14n#';
const INCLUSIVE = 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315';
const signature = (method: string, transform: string, more = ''): string =>
  response(
    `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>
      <ds:CanonicalizationMethod Algorithm="${method}"/><ds:SignatureMethod Algorithm="s"/>
      <ds:Reference URI="#r"><ds:Transforms>
        <ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>
        <ds:Transform Algorithm='${transform}'><ec:InclusiveNamespaces xmlns:ec="${EXCLUSIVE}" PrefixList="xs"/></ds:Transform>
      </ds:Transforms><ds:DigestMethod Algorithm="d"/><ds:DigestValue>A</ds:DigestValue></ds:Reference>${more}
    </ds:SignedInfo><ds:SignatureValue>A</ds:SignatureValue></ds:Signature>`,
  );

test.each([
  ['elements, attributes, text and a comment', response('<a b="1 > 0"/><c>text &amp; more</c><!-- <d> -->')],
  ['an XML declaration', `<?xml version="1.0" encoding="UTF-8"?>\n${response('')}`],
  ['tags over several lines', response('<a\n  b="1"\n\tc = \'2\'\n></a >')],
  [
    'someone in nine hundred groups',
    response(times(900, (index) => `<saml:AttributeValue>g${index}</saml:AttributeValue>`)),
  ],
  [
    'two hundred groups as Okta writes them, each with its namespaces',
    response(
      times(
        200,
        (index) =>
          `<saml2:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">group ${index}</saml2:AttributeValue>`,
      ),
    ),
  ],
  ['a signature as providers make it', signature(EXCLUSIVE, EXCLUSIVE)],
  ['one that keeps comments', signature(`${EXCLUSIVE}WithComments`, `${EXCLUSIVE}WithComments`)],
  ['64 levels', `${'<a>'.repeat(64)}${'</a>'.repeat(64)}`],
])('passes: %s', (_, xml) => {
  expect(() => boundXml(xml)).not.toThrow();
});

test.each([
  ['too many elements', response('<a/>'.repeat(2000)), 'too many elements'],
  ['too many comments', response('<!---->'.repeat(2000)), 'too many elements'],
  ['65 levels', `${'<a>'.repeat(65)}${'</a>'.repeat(65)}`, 'too deep'],
  ['more than 64 KiB', response('x'.repeat(65_536)), 'too long'],
  ['many attributes on many elements', response('<a b="" c="" d="" e=""/>'.repeat(400)), 'too many attributes'],
  [
    'many namespaces that hold at once',
    response(`<a ${times(21, (i) => ` xmlns:a${i}="u"`)}><b${times(20, (i) => ` xmlns:b${i}="u"`)}/></a>`),
    'too many namespaces',
  ],
  ['inclusive canonicalization', signature(INCLUSIVE, EXCLUSIVE), 'transform'],
  ['a transform that repeats every namespace', signature(EXCLUSIVE, INCLUSIVE), 'transform'],
  ['a transform that is spelled otherwise', signature(EXCLUSIVE.replace(':', '&#58;'), EXCLUSIVE), 'transform'],
  [
    'a way to canonicalize outside what is signed',
    response(`<Signature><Object><CanonicalizationMethod Algorithm="${INCLUSIVE}"/></Object></Signature>`),
    'transform',
  ],
  ['elements of no signature in it', signature(EXCLUSIVE, EXCLUSIVE, '<x><y/></x>'), 'not of SAML'],
  ['a signature of many parts', signature(EXCLUSIVE, EXCLUSIVE, '<Reference/>'.repeat(40)), 'not of SAML'],
  ['attributes without end', response(`<a ${times(1000, (index) => `b${index}="1" `)}/>`), 'too many attributes'],
  ['opening brackets', response('<'.repeat(8000)), 'not well-formed'],
  ['elements that are never closed', '<a>'.repeat(60), 'not closed'],
  ['elements closed in another order', '<a><b></a></b>', 'not open'],
  ['what was never opened', '</a>'.repeat(60), 'not open'],
  ['comments without an end', response('<!--'.repeat(8000)), 'no end'],
  ['a comment that ends where it begins', response('<!-->'), 'no end'],
  ['an instruction without an end', '<?xml ', 'no end'],
  ['attributes without quotes', response('<a b=1/>'), 'not well-formed'],
  ['attributes without values', response(`<a${' b'.repeat(20_000)}/>`), 'not well-formed'],
  ['a quote without an end', response('<a b="'), 'not well-formed'],
  ['a document type', `<!DOCTYPE a>${response('')}`, 'not well-formed'],
  ['unparsed text', response('<![CDATA[x]]>'), 'not well-formed'],
])('refuses: %s', (_, xml, problem) => {
  expect(() => boundXml(xml)).toThrow(problem);
});

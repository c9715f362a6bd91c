/** More than any provider sends, with someone's groups; and little enough to be read in milliseconds. */
const LONGEST_XML = 65_536;
const MOST_NODES = 2000;
const MOST_LEVELS = 64;
const LONGEST_ATTRIBUTES = 4000;
/** Some providers declare the same two namespaces with each value, so what counts is how many hold at one place. */
const MOST_ATTRIBUTES = 1500;
const MOST_NAMESPACES = 40;
/** Of the response's and the assertion's signatures together. */
const MOST_SIGNED_INFO = 40;

/** What a signature of SAML is described with: one reference, and how it was digested and signed. */
const IN_SIGNED_INFO: ReadonlySet<string> = new Set([
  'CanonicalizationMethod',
  'SignatureMethod',
  'Reference',
  'Transforms',
  'Transform',
  'InclusiveNamespaces',
  'DigestMethod',
  'DigestValue',
]);

/**
 * The only ones that SAML has for signatures (core 5.4.3 and 5.4.4). Inclusive canonicalization repeats every namespace
 * that holds, before anyone knows who signed.
 */
const TRANSFORMED_BY = ['CanonicalizationMethod', 'Transform'];
const TRANSFORMS: ReadonlySet<string> = new Set([
  'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
  'http://www.w3.org/2001/10/xml-exc-c14n#',
  'http://www.w3.org/2001/10/xml-exc-c14n#WithComments',
]);

/** A tag as providers write them: plain names, every attribute in quotes. Each part begins where no other can. */
const TAG = /<(\/?)([A-Za-z_][\w.:-]*)((?:\s+[A-Za-z_][\w.:-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y;
const ATTRIBUTE = /([\w.:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

const localName = (name: string): string => name.slice(name.indexOf(':') + 1);

/**
 * Looks over XML from a stranger in one pass, before it is parsed. The parser mends what is not well-formed, and takes time with
 * the square of it; of many elements, levels and attributes as well, and so does who canonicalizes it.
 *
 * @throws Error when it is not well-formed, or more than an answer of a provider
 */
export function boundXml(xml: string): void {
  if (xml.length > LONGEST_XML) throw new Error('the document is too long');
  const open: { readonly name: string; readonly namespaces: number; readonly inSignedInfo: boolean }[] = [];
  let nodes = 0;
  let allAttributes = 0;
  let signedInfo = 0;
  for (let at = xml.indexOf('<'), end = 0; at !== -1; at = xml.indexOf('<', end)) {
    nodes += 1;
    if (nodes > MOST_NODES) throw new Error('there are too many elements');
    const closing = xml.startsWith('<!--', at) ? '-->' : xml.startsWith('<?', at) ? '?>' : null;
    if (closing !== null) {
      const found = xml.indexOf(closing, at + (closing === '-->' ? 4 : 2));
      if (found === -1) throw new Error('a comment or instruction has no end');
      end = found + closing.length;
      continue;
    }
    TAG.lastIndex = at;
    const [whole, isEnd, name = '', attributes = '', isEmpty] = TAG.exec(xml) ?? [];
    if (whole === undefined) throw new Error('a tag is not well-formed');
    end = at + whole.length;
    if (attributes.length > LONGEST_ATTRIBUTES) throw new Error('an element has too many attributes');
    if (isEnd) {
      if (open.pop()?.name !== name) throw new Error('a tag closes what is not open');
      continue;
    }
    const around = open.at(-1) ?? { namespaces: 0, inSignedInfo: false };
    const local = localName(name);
    let { namespaces } = around;
    for (const [, attribute = '', double, single] of attributes.matchAll(ATTRIBUTE)) {
      allAttributes += 1;
      if (/^xmlns(:|$)/.test(attribute)) namespaces += 1;
      const isTransform = localName(attribute) === 'Algorithm' && TRANSFORMED_BY.includes(local);
      if (isTransform && !TRANSFORMS.has(double ?? single ?? '')) throw new Error('a transform is not of SAML');
    }
    if (allAttributes > MOST_ATTRIBUTES) throw new Error('there are too many attributes');
    if (namespaces > MOST_NAMESPACES) throw new Error('there are too many namespaces');
    if (around.inSignedInfo) {
      signedInfo += 1;
      if (signedInfo > MOST_SIGNED_INFO || !IN_SIGNED_INFO.has(local)) {
        throw new Error('a signature holds what is not of SAML');
      }
    }
    if (!isEmpty) {
      open.push({ name, namespaces, inSignedInfo: around.inSignedInfo || local === 'SignedInfo' });
      if (open.length > MOST_LEVELS) throw new Error('elements are nested too deep');
    }
  }
  if (open.length > 0) throw new Error('an element is not closed');
}

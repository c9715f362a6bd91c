import { createHash } from 'node:crypto';
import { canWhereNamed } from '../../permissions/rules.js';
import type { Download, Turn } from '../../resource/download.js';
import { EXPORTED_TABLES } from './exported.js';
import { assertOpen, closeLink, noteLinkOpened } from './link.js';
import { type ExportPage, openExporting, PAGE } from './outside.js';

/** All that an organization has, but for secrets. */
export const DOWNLOAD: Download = {
  url: '/organizations/:organization/exports/:id',
  rule: canWhereNamed('organization:export'),
  mutation: 'exportOrganization',
  page: PAGE,
  open: async (id, context) => {
    await assertOpen(id, context);
    return {
      mediaType: 'application/x-ndjson',
      parts: allOf,
      begin: (reader) => noteLinkOpened(id, reader),
      done: (reader) => closeLink(id, reader),
    };
  },
};

/** Row by row, and last what all of them were. */
async function* allOf(turn: Turn): AsyncGenerator<string> {
  const hash = createHash('sha256');
  const counts: Record<string, number> = {};
  let organizationId = '';
  const sources = await turn(({ outside, organization }) => {
    organizationId = organization.orgId;
    return outside(openExporting).sources(EXPORTED_TABLES);
  });
  let rows = PAGE;
  for (const source of sources) {
    counts[source.type] = 0;
    for (let behind: readonly string[] | null = null, isMore = true; isMore;) {
      const from: readonly string[] | null = behind;
      const most = rows;
      const page: ExportPage = await turn(
        ({ outside, organization }) => outside(openExporting).page(organization.orgId, source, from, most),
        ({ lines }) => lines,
      );
      ({ behind, rows } = page);
      isMore = behind !== null;
      counts[source.type] = (counts[source.type] ?? 0) + page.lines.length;
      const text = page.lines.join('');
      hash.update(text);
      yield text;
    }
  }
  yield `${JSON.stringify({ type: 'Manifest', organizationId, counts, sha256: hash.digest('hex') })}\n`;
}

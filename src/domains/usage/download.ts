import type { Row } from '../../data/organization/table.js';
import { canWhereNamed } from '../../permissions/rules.js';
import type { Download, Turn } from '../../resource/download.js';
import {
  closeUsageExport,
  type Event,
  EVENT_LINES,
  noteUsageExportOpened,
  openUsageExport,
  PAGE,
  readExported,
} from './export-usage.js';

/** The usage events of some days. */
export const DOWNLOAD: Download = {
  url: '/organizations/:organization/usage/exports/:id',
  rule: canWhereNamed('usage:read'),
  mutation: 'exportUsage',
  page: PAGE,
  open: async (id, context) => {
    const link = await openUsageExport(id, context);
    return {
      mediaType: EVENT_LINES[link.format].mediaType,
      parts: (turn) => eventsOf(link, turn),
      begin: (reader) => noteUsageExportOpened(id, reader),
      done: (reader) => closeUsageExport(id, reader),
    };
  },
};

/** By day and id. */
async function* eventsOf(link: Row<'UsageExport'>, turn: Turn): AsyncGenerator<string> {
  const { head, write } = EVENT_LINES[link.format];
  yield head;
  for (let behind: Event | null = null, isMore = true; isMore;) {
    const from: Event | null = behind;
    const { events, lines } = await turn(
      async (context) => {
        const found = await readExported(link, from, context);
        return { events: found, lines: found.map(write) };
      },
      (found) => found.lines,
    );
    behind = events.at(-1) ?? null;
    isMore = events.length === PAGE;
    yield lines.join('');
  }
}

const WIDTH = 860;
const LABEL = 250;
const BAR = 15;
const GAP = 4;
const GROUP = 3 * (BAR + GAP) + 22;
const TOP = 96;
const COLOURS = { walls: '#1f6feb', open: '#a5c8ff', peer: '#8c959f' };

const escape = (text) => text.replace(/[&<>]/g, (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[letter]);
const text = (x, y, content, style = '') => `<text x="${x}" y="${y}" ${style}>${escape(content)}</text>`;

/**
 * Requests a second of every operation, three bars each. Operations differ by more than ten times, so each has a scale of
 * its own: within an operation bars compare, between operations the numbers do.
 */
export function toChart({ operations, contestants, settings }) {
  const height = TOP + operations.length * GROUP + 24;
  const widest = WIDTH - LABEL - 240;
  const legend = Object.entries(contestants).map(([name, title], index) => {
    const x = LABEL + [0, 100, 290][index];
    return `<rect x="${x}" y="60" width="12" height="12" rx="2" fill="${COLOURS[name]}"/>${text(x + 18, 70.5, title)}`;
  });
  const groups = operations.map((operation, index) => {
    const top = TOP + index * GROUP;
    const most = Math.max(...Object.values(operation.contestants).map(({ perSecond }) => perSecond));
    const bars = Object.entries(operation.contestants).map(([name, { perSecond }], row) => {
      const y = top + row * (BAR + GAP);
      const width = Math.max(2, (perSecond / most) * widest);
      return (
        `<rect x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2" fill="${COLOURS[name]}"/>` +
        text((LABEL + width + 7).toFixed(1), y + 12, Math.round(perSecond).toLocaleString('en-US'), 'class="value"')
      );
    });
    const ratios = [
      [operation.ahead, 'PostGraphile'],
      [operation.isolation, 'without walls'],
    ].map(
      ([{ median }, other], row) =>
        text(WIDTH - 112, top + 20 + row * 24, `${median.toFixed(2)} ×`, 'class="ratio" text-anchor="end"') +
        text(WIDTH - 104, top + 20 + row * 24, other, 'class="small"'),
    );
    const lines = wrap(operation.title).map((line, row, all) =>
      text(LABEL - 14, top + 31 + (row - (all.length - 1) / 2) * 16, line, 'text-anchor="end"'),
    );
    return [...lines, ...bars, ...ratios].join('');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Requests a second by operation">
<style>text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}.title{font-size:18px;font-weight:600}.small{font-size:11.5px;fill:#59636e}.value{font-size:12px;fill:#1f2328}.ratio{font-size:16px;font-weight:600}</style>
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
${text(20, 32, 'Requests a second', 'class="title"')}
${text(20, 70.5, `${settings.organizations.toLocaleString('en-US')} organizations${settings.quick ? ', quick run' : ''}`, 'class="small"')}
${legend.join('\n')}
${groups.join('\n')}
</svg>
`;
}

/** Lines of at most 33 letters. */
function wrap(title) {
  const lines = [''];
  for (const word of title.split(' ')) {
    const line = lines.at(-1);
    if (line && line.length + word.length > 32) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines;
}
